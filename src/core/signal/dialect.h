#pragma once
// Dialects: what each engine calls our signals. Tables, no code.
//
//   for (const DialectRow& row : dialect(DialectId::kVllm).rows) ...
//
// A row says: a series of this whole name, whose labels match, is this signal; several label sets
// of it reduce so; where several rows name one signal, those of the lowest rank that is on the page
// count. Thread-safety: constants. Sources: vllm/v1/metrics/loggers.py (0.9 to 0.29), sglang
// observability/metrics_collector.py, TGI's metrics reference, TensorRT-LLM metrics/collector.py
// and the Triton backend's README, llama.cpp tools/server, Dynamo docs/observability/metrics.md,
// llm-d-router docs/metrics.md, dcgm-exporter default-counters.csv.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/fields.h"
#include "core/signal/signal_id.h"
#include "core/spec/model.h"

namespace tidegate::signal {

enum class DialectId : std::uint8_t {
  kVllm,  // V1 names, V0's as fallback
  kSglang,
  kTgi,
  kTrtllm,
  kTriton,
  kLlamaCpp,
  kDynamo,
  kEpp,  // llm-d and Gateway API endpoint picker, current prefix, the older as fallback
  kDcgm,
};
inline constexpr std::size_t kDialectCount = 9;

/// How the label sets of one page become one value. kLatest: the one whose sample value is largest
/// (a page's "last updated" info series). kRanks: ranks that share requests and cache tell the
/// same, so of the label sets of one row with the same `dp_rank` the largest, and the sum of these.
enum class Reduce : std::uint8_t { kSum, kMean, kMax, kLatest, kRanks };
inline constexpr std::string_view kRanksLabel = "dp_rank";

/// An empty value matches an empty label and a missing one, as in Prometheus.
struct LabelMatch {
  std::string_view name;  ///< empty: matches all
  std::string_view value;
};

struct DialectRow {
  std::string_view name;  ///< of a histogram: without _bucket, _sum, _count
  SignalId signal;
  Reduce reduce = Reduce::kSum;
  std::uint8_t rank = 0;
  LabelMatch match = {};
  double scale = 1;                  ///< their unit -> ours; 0: where it is on the page, that is 0
  std::string_view from_label = {};  ///< the value is this label's text, not the sample's
};

struct Dialect {
  DialectId id;
  std::string_view metrics_path;
  std::span<const DialectRow> rows;  ///< rows of one name stand together
};

const Dialect& dialect(DialectId id);
/// The dialect of spec engine.type.
DialectId dialect_of(spec::EngineType type);

}  // namespace tidegate::signal

namespace tidegate {
template <>
struct EnumTokens<signal::DialectId> {
  static constexpr std::string_view kTokens[] = {"vllm",     "sglang", "tgi", "trtllm", "triton",
                                                 "llamacpp", "dynamo", "epp", "dcgm"};
};
template <>
struct EnumTokens<signal::Reduce> {
  static constexpr std::string_view kTokens[] = {"sum", "mean", "max", "latest", "ranks"};
};
}  // namespace tidegate
