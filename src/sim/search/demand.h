#pragma once
// Demand: fleets by arithmetic, for a search to start from.
//
//   Demand demand(contest.arrivals(), model, weights, slot);
//   Timeline line = demand.follow({.window = seconds(300), .ahead = lead, .headroom = 1.2}, initial);
//   Timeline fixed = demand.fixed(4, initial);
//
// Replicas for a slot: the requests a second around it over what one replica sustains at their mean
// lengths (sim/sizing.h), times the headroom; every variant keeps its minReplicas, the rest goes to
// the variant that weighs least per request sustained, up to its maxReplicas, then to the next. An
// order is given `ahead` of the slot that needs it, and a gap shorter than that is bridged: a
// replica that left would have to start again within it. Thread-safety: const functions.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/search/arrivals.h"
#include "sim/search/timeline.h"

namespace tidegate::sim {

/// 90th percentiles of all stages of the slowest variant's cold start, one after another.
Duration start_time(const spec::Model& model);

struct Follow {
  Duration window{0};  ///< centred on the slot; at least the slot itself
  Duration ahead{0};
  double headroom = 1;
  std::string name() const;
};

class Demand {
 public:
  Demand(const Arrivals& arrivals, const spec::Model& model, const std::vector<double>& weights,
         Duration slot);

  Timeline follow(const Follow& how, const std::vector<std::int64_t>& initial) const;
  /// So many replicas of all variants together, from the start on.
  Timeline fixed(std::int64_t replicas, const std::vector<std::int64_t>& initial) const;
  std::int64_t least() const;  ///< the sum of the bounds
  std::int64_t most() const;

 private:
  struct Load {
    double requests_per_second = 0;
    engine::Lengths lengths;
  };
  Load load(Duration from, Duration until) const;
  std::vector<std::int64_t> fill(const Load& load, double headroom) const;

  const spec::Model& model_;
  Duration slot_, bin_;
  std::size_t slots_ = 0;
  std::vector<LoadBin> sums_;  ///< of all bins before this one
  std::vector<std::int64_t> floor_, ceiling_;
  std::vector<std::size_t> order_;  ///< of the variants
};

}  // namespace tidegate::sim
