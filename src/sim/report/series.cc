#include "sim/report/series.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {

void Extent::merge(const Extent& other) {
  if (other.count == 0) return;
  least = count == 0 ? other.least : std::min(least, other.least);
  most = count == 0 ? other.most : std::max(most, other.most);
  sum += other.sum;
  count += other.count;
}

void Bucket::merge(const Bucket& later) {
  to = later.to;
  samples += later.samples;
  for (std::size_t c = 0; c < kChannels; ++c) channels[c].merge(later.channels[c]);
  arrived += later.arrived;
  ended += later.ended;
  met += later.met;
  cost_dollars = later.cost_dollars;
  ready_sum.resize(std::max(ready_sum.size(), later.ready_sum.size()));
  for (std::size_t v = 0; v < later.ready_sum.size(); ++v) ready_sum[v] += later.ready_sum[v];
}

void merge_pairs(std::vector<Bucket>& buckets) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < buckets.size(); i += 2, ++out) {
    if (out != i) buckets[out] = std::move(buckets[i]);
    if (i + 1 < buckets.size()) buckets[out].merge(buckets[i + 1]);
  }
  buckets.resize(out);
}

void Series::add(Bucket sample) {
  if (!buckets_.empty() && buckets_.back().samples < per_bucket_) {
    buckets_.back().merge(sample);
    return;
  }
  if (buckets_.size() == most_) {
    merge_pairs(buckets_);
    per_bucket_ *= 2;
  }
  buckets_.push_back(std::move(sample));
}

}  // namespace tidegate::sim
