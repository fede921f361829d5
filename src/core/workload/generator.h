#pragma once
// Generator: a Workload -> requests in order of time. Parts run beside each other; where two have a
// request at the same instant the one named first comes first.
//
//   Generator requests(workload, /*seed=*/1);
//   for (TraceRequest r; requests.next(r);) world.offer(r);
//
// Gaps are Gamma of mean 1 and the part's cv on the integral of its rate (core/workload/
// rate_walk.h): Poisson where cv is 1. Each variable of each part has a random stream of its own,
// named after the part: a changed part, or a changed variable, moves no other draw. The same
// workload and seed give the same requests on every machine. Memory does not grow with the number
// of requests. Values are taken as validated (core/workload/scenario.h). Thread-safety: one owner.

#include <cstdint>
#include <vector>

#include "core/base/rng.h"
#include "core/workload/parts.h"
#include "core/workload/rate_walk.h"
#include "core/workload/stream.h"

namespace tidegate::workload {

class Generator : public Stream {
 public:
  Generator(Workload workload, std::uint64_t seed);
  bool next(TraceRequest& out) override;
  double progress() const override;

 private:
  /// One part with where it stands.
  struct Source {
    Source(const Part& of, Duration duration, std::uint64_t seed);
    void step();
    std::size_t part = 0;
    double cv;
    RateWalk walk;
    Rng gaps, lengths, outputs, prefixes, priorities, tenants, adapters, models;
    std::vector<double> popularity;    ///< of prefix groups, cumulative, ends with 1
    std::uint64_t prefix_base = 0;     ///< tells the groups of parts apart
    std::vector<std::int64_t> levels;  ///< priority of each entry of Part::priorities
    Duration at{0};
    bool ended = false;
  };
  void fill(Source& source, TraceRequest& out) const;

  Workload workload_;
  std::vector<Source> sources_;
  Duration last_{0};
  bool ended_ = false;
};

}  // namespace tidegate::workload
