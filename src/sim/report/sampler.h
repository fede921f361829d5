#pragma once
// Sampler: turns what a World tells (samples and changes of replicas) into a Series.
//
//   Sampler sampler(600);
//   sampler.replica(change); sampler.sample(sample);
//   sampler.series().buckets();
//
// Totals become differences, and those over the time between two samples become rates. Memory grows
// with the replicas alive, not with the run. Thread-safety: one owner.

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "sim/recorder.h"
#include "sim/report/series.h"

namespace tidegate::sim {

class Sampler {
 public:
  explicit Sampler(std::size_t most_buckets) : series_(most_buckets) {}
  void replica(const Change& change);
  void sample(const Sample& sample);
  const Series& series() const { return series_; }

 private:
  Series series_;
  Sample last_;
  std::map<ReplicaId, std::size_t> ready_;  ///< variant of each ready replica
  std::vector<std::int64_t> ready_by_variant_;
};

}  // namespace tidegate::sim
