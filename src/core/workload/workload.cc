#include "core/workload/workload.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::workload {
namespace {

constexpr double kSmallest = 1e-6;
/// Bucket i holds (gamma^(i-1), gamma^i] microseconds; its middle is within kRelativeError of both
/// ends.
constexpr double kGamma = (1 + Sketch::kRelativeError) / (1 - Sketch::kRelativeError);
constexpr double kLogGamma = 0.010000083334583179;  // ln(kGamma)
constexpr double kToMiddle = 2 / (kGamma + 1);

bool within(const std::optional<spec::LatencyBound>& bound, Duration value) {
  return !bound || value <= bound->bound;
}

}  // namespace

bool met(const spec::Slo& slo, const Served& served) {
  if (served.ending != Ending::kCompleted) return false;
  if (!within(slo.ttft, served.ttft) || !within(slo.e2e, served.e2e)) return false;
  std::int64_t gaps = served.output.value() - 1;
  if (!slo.itl || gaps <= 0) return true;
  // (last - first) / gaps <= bound, without rounding.
  return (served.e2e - served.ttft).count() <= static_cast<__int128>(slo.itl->bound.count()) * gaps;
}

void Sketch::add(double value) {
  ++count_;
  if (!(value >= kSmallest)) {  // NaN too
    ++zero_;
    return;
  }
  double index = std::ceil(log(value / kSmallest) / kLogGamma);
  constexpr double kLast = static_cast<double>(kMaxBuckets - 1);
  if (!(index < kLast)) {
    index = kLast;
  } else {
    sum_ += value;  // beyond the last bucket lie no latencies: keep the sum finite
  }
  auto bucket = static_cast<std::size_t>(std::max(index, 0.0));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
}

void Sketch::merge(const Sketch& other) {
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  zero_ += other.zero_;
  count_ += other.count_;
  sum_ += other.sum_;
}

double Sketch::quantile(double q) const {
  const Sketch* self = this;
  return quantile_of({&self, 1}, q);
}

double Sketch::quantile_of(std::span<const Sketch* const> sketches, double q) {
  std::int64_t count = 0, zero = 0;
  std::size_t size = 0;
  for (const Sketch* sketch : sketches) {
    count += sketch->count_;
    zero += sketch->zero_;
    size = std::max(size, sketch->buckets_.size());
  }
  if (count == 0) return 0;
  q = q >= 0 ? std::min(q, 1.0) : 0.0;
  auto rank = static_cast<std::int64_t>(std::floor(q * static_cast<double>(count - 1)));
  if (rank < zero) return 0;
  auto at = [&](std::size_t i) {
    std::int64_t in_bucket = 0;
    for (const Sketch* sketch : sketches) {
      if (i < sketch->buckets_.size()) in_bucket += sketch->buckets_[i];
    }
    return in_bucket;
  };
  std::size_t found = size;
  if (q < 0.5) {
    std::int64_t below = zero;
    for (std::size_t i = 0; i < size && found == size; ++i) {
      below += at(i);
      if (rank < below) found = i;
    }
  } else {
    std::int64_t above = 0;
    for (std::size_t i = size; i-- > 0 && found == size;) {
      above += at(i);
      if (above >= count - rank) found = i;
    }
  }
  if (found == size) return 0;
  return exp(static_cast<double>(found) * kLogGamma) * kToMiddle * kSmallest;
}

std::vector<std::pair<std::size_t, std::int64_t>> Sketch::filled() const {
  std::vector<std::pair<std::size_t, std::int64_t>> out;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] > 0) out.emplace_back(i, buckets_[i]);
  }
  if (zero_ > 0) out.emplace_back(kZeroBucket, zero_);
  return out;
}

void Sketch::fill(std::size_t bucket, std::int64_t count) {
  if (bucket > kZeroBucket || count <= 0) return;
  count_ += count;
  if (bucket == kZeroBucket) {
    zero_ += count;
    return;
  }
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  buckets_[bucket] += count;
}

void Sketch::clear() { *this = {}; }

void Score::add(const spec::Slo& slo, const Served& served) {
  ++requests;
  if (workload::met(slo, served)) ++met;
  switch (served.ending) {
    case Ending::kCompleted:
      ++completed;
      break;
    case Ending::kRejected:
      ++rejected;
      return;
    case Ending::kTimedOut:
      ++timed_out;
      return;
    case Ending::kLost:
      ++lost;
      return;
  }
  ttft.add(to_seconds(served.ttft));
  e2e.add(to_seconds(served.e2e));
  if (std::int64_t gaps = served.output.value() - 1; gaps > 0) {
    itl.add(to_seconds(served.e2e - served.ttft) / static_cast<double>(gaps));
  }
}

void Score::add(const Score& other) {
  requests += other.requests;
  completed += other.completed;
  rejected += other.rejected;
  timed_out += other.timed_out;
  lost += other.lost;
  met += other.met;
  ttft.merge(other.ttft);
  itl.merge(other.itl);
  e2e.merge(other.e2e);
}

double Score::attainment() const {
  return requests == 0 ? 1.0 : static_cast<double>(met) / static_cast<double>(requests);
}

}  // namespace tidegate::workload
