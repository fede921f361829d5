#pragma once
// Arrivals: one trace that is played many times.
//
//   auto arrivals = Arrivals::read([] { return open_trace(); });
//   auto stream = arrivals->open();   // again and again, from any thread
//
// Read once to know how many there are, when the last one comes and what they weigh over time.
// kKept of them stay in memory; a longer trace is opened anew each time. Thread-safety: const
// functions may be called at once where `open` may.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/result.h"
#include "core/workload/stream.h"
#include "sim/sizing.h"

namespace tidegate::sim {

/// Opens the same requests each time: those of the model alone, in order of time.
using OpenStream = std::function<Result<std::unique_ptr<workload::Stream>>()>;

/// The requests in [from, until), their times counted from `from`.
OpenStream part_of(OpenStream open, Duration from, Duration until);

/// What arrives in one stretch of time.
struct LoadBin {
  std::int64_t requests = 0, prompt_tokens = 0, output_tokens = 0;
};

class Arrivals {
 public:
  static constexpr std::size_t kKept = 400'000;
  static constexpr std::size_t kMostBins = 1 << 16;

  /// Errors: those of `open`, and a trace without requests.
  static Result<Arrivals> read(OpenStream open, std::size_t keep_at_most = kKept);

  Result<std::unique_ptr<workload::Stream>> open() const;
  std::int64_t count() const { return count_; }
  Duration last() const { return last_; }
  const FirstMinute& first_minute() const { return first_minute_; }
  /// Bins of equal length from the start; the longer the trace, the longer each.
  const std::vector<LoadBin>& bins() const { return bins_; }
  Duration bin() const { return bin_; }

 private:
  void add(const workload::TraceRequest& request);

  OpenStream open_;
  std::shared_ptr<const std::vector<workload::TraceRequest>> kept_;  ///< null: too many
  std::int64_t count_ = 0;
  Duration last_{0};
  FirstMinute first_minute_;
  std::vector<LoadBin> bins_;
  Duration bin_ = seconds(1);
};

}  // namespace tidegate::sim
