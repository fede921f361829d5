#pragma once
// Workload: requests as data; SLO scoring; quantile sketch. One copy for `load`, the gateway and
// the simulator.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::workload {

struct TraceRequest {
  Duration at{0};     ///< since the start of the trace; equal times keep file order
  Tokens prompt;      ///< >= 1
  Tokens output;      ///< >= 1
  std::string model;  ///< empty: the only one
  std::string tenant;
  std::string adapter;
  std::int64_t priority = 0;
  std::vector<std::uint64_t> prefix;     ///< chained block hashes
  std::int64_t prefix_block_tokens = 0;  ///< tokens a hash covers; 0: no prefix
};

enum class Ending : std::uint8_t { kCompleted, kRejected, kTimedOut, kLost };
/// What became of one request, as its client saw it.
struct Served {
  Ending ending = Ending::kLost;
  Duration ttft{0};  ///< arrival -> first token
  Duration e2e{0};   ///< arrival -> last token
  Tokens output;     ///< tokens received
};

/// met: every bound that is given holds; ITL is (last - first) / (tokens - 1). Anything but
/// completed is a miss.
bool met(const spec::Slo& slo, const Served& served);

/// Quantile sketch with relative error <= 0.5 % (DDSketch, Masson et al. 2019): mergeable, bounded
/// (kMaxBuckets). Values are seconds >= 0; below 1 us counts as 0.
class Sketch {
 public:
  static constexpr double kRelativeError = 0.005;
  static constexpr std::size_t kMaxBuckets = 4096;
  void add(double value);
  void merge(const Sketch& other);
  /// q in [0, 1]; 0 when empty.
  double quantile(double q) const;
  /// As quantile() of all of them merged, without merging: looks only at the buckets from the
  /// nearer end to the answer.
  static double quantile_of(std::span<const Sketch* const> sketches, double q);
  /// What is not empty, in order: bucket and count; the values too small for one under kZeroBucket.
  static constexpr std::size_t kZeroBucket = kMaxBuckets;
  std::vector<std::pair<std::size_t, std::int64_t>> filled() const;
  /// As many values of that bucket; others are not there. For one that came by wire: no sum.
  void fill(std::size_t bucket, std::int64_t count);
  std::int64_t count() const { return count_; }
  double sum() const { return sum_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  void clear();

 private:
  std::vector<std::int64_t> buckets_;
  std::int64_t zero_ = 0, count_ = 0;
  double sum_ = 0;
};

/// Running tally of a run: what every report prints.
struct Score {
  std::int64_t requests = 0, completed = 0, rejected = 0, timed_out = 0, lost = 0, met = 0;
  Sketch ttft, itl, e2e;  ///< seconds, completed requests
  void add(const spec::Slo& slo, const Served& served);
  /// Another tally, as if its requests had been ours.
  void add(const Score& other);
  /// Share of all arrivals that met the SLO; 1 when there were none.
  double attainment() const;
};

}  // namespace tidegate::workload

namespace tidegate {
template <>
struct EnumTokens<workload::Ending> {
  static constexpr std::string_view kTokens[] = {"completed", "rejected", "timedOut", "lost"};
};
}  // namespace tidegate
