#pragma once
// Traces: files of requests, or of request rates -> a stream of workload::TraceRequest.
//
//   auto trace = TraceReader::open("azure.csv", {.scale = 2, .until = seconds(3600)});
//   if (!trace) return fail(trace.error());
//   for (workload::TraceRequest r; (*trace)->next(r);) send_at(r.at, r);
//   warn_about((*trace)->notes());
//
// The header says which format it is (kTraceFormats lists them). Times come out since the start: of
// the file for those that count from zero, of the first row for those with calendar times (seconds
// since 1970 as well, unless `from` is such a time); then
// (time - from) / speedup. Equal times keep file order. A row that cannot be read, has no tokens,
// or goes back in time is skipped and noted with its line; the rest goes on. Memory is bounded
// whatever the file's size: rows are read as they are asked for (rate series are at most
// kMaxRateRows).
//
// `scale` multiplies the rate: below 1 each request stays with that probability; above 1 copies are
// spread evenly at random up to the next request, so the shape stays and no false bursts appear,
// and each copy's prefix hashes are its own, so no false cache hits do either. A rate series is a
// Poisson process with piecewise constant rate (the last segment as long as the one before). All
// chance is from `seed`: the same file, options and seed give the same requests on every machine.
//
// BurstGPT's model names are dropped: they name services nobody here can run. Sources: Azure
// AzureLLMInferenceTrace 2023 and 2024, HPMLL/BurstGPT, kvcache-ai/Mooncake,
// alibaba-edu/qwen-bailian-usagetraces-anon. No clocks. One owner.

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/workload/stream.h"

namespace tidegate::format {

enum class TraceKind : std::uint8_t {
  kAzure,
  kBurstGpt,
  kMooncake,
  kBailian,  ///< Mooncake's shape with "chat_id": times in seconds, hashes of 16 tokens
  kEngineRun,
  kTidegate,
  kRate,
};
/// One line for each kind, as errors and --help show it.
std::string_view trace_formats();

inline constexpr std::size_t kMaxTraceLineBytes = 1 << 20;  ///< longer ones are skipped
inline constexpr std::size_t kMaxRateRows = 1'000'000;
inline constexpr std::size_t kMaxLengthRows =
    200'000;  ///< of --lengths: the first so many are drawn from
inline constexpr std::int64_t kMaxTraceTokens = 10'000'000;  ///< of one prompt or output
inline constexpr double kMaxTraceScale = 10'000;
/// Tokens a block hash covers where the format does not say (Mooncake's size).
inline constexpr std::int64_t kTracePrefixBlockTokens = 512;
/// Where --lengths is not given: log-normal with these medians and 90th percentiles.
inline constexpr double kPromptP50Tokens = 1000, kPromptP90Tokens = 3000;
inline constexpr double kOutputP50Tokens = 200, kOutputP90Tokens = 600;

struct TraceOptions {
  double scale = 1;                  ///< multiplies the rate; > 0, <= kMaxTraceScale
  double speedup = 1;                ///< divides times; > 0
  Duration from{0};                  ///< in the trace's own time
  Duration until = Duration::max();  ///< the first instant not taken
  std::uint64_t seed = 1;
  std::string lengths;  ///< for a rate series: a request trace to draw lengths from
  std::int64_t prefix_block_tokens = kTracePrefixBlockTokens;
};

/// Rows that were skipped, for people.
struct TraceNotes {
  static constexpr std::size_t kMaxFirst = 5;
  struct Skipped {
    std::int64_t line = 0;  ///< from 1
    std::string why;
  };
  std::int64_t rows = 0;  ///< read, the skipped ones included
  std::int64_t skipped = 0;
  std::vector<Skipped> first;
  /// "3 of 100 rows skipped: line 7: ...; line 9: ..."; empty if none was.
  std::string text() const;
};

class TraceReader : public workload::Stream {
 public:
  static Result<std::unique_ptr<TraceReader>> open(const std::string& path,
                                                   const TraceOptions& options);
  /// `name` is for messages; `size_bytes` for progress (0: unknown).
  static Result<std::unique_ptr<TraceReader>> read(std::unique_ptr<std::istream> in,
                                                   const std::string& name, std::int64_t size_bytes,
                                                   const TraceOptions& options);
  ~TraceReader() override;
  bool next(workload::TraceRequest& out) override;
  const TraceNotes& notes() const;
  TraceKind kind() const;
  /// Share of the trace that has been handed out, 0..1; by bytes, or by time for a rate series.
  double progress() const override;
  /// Of rows skipped; where not one request came, of what there is instead.
  std::string skipped() const override;

 private:
  TraceReader();
  struct Row;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::format
