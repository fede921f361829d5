#pragma once
// Trial: one world played over a trace to its end, or given up once it cannot do what is asked.
//
//   auto played = play({.model = model, .initial = initial}, arrivals,
//                      {.end = Instant() + arrivals.last()});
//   played->totals.score.attainment();
//
// Deterministic but for `stop`. Thread-safety: a function; several may run at once.

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "sim/search/arrivals.h"
#include "sim/world.h"

namespace tidegate::sim {

struct Watch {
  Instant end;  ///< billed until then, or until it has drained where that is later
  /// More misses than these: given up.
  std::int64_t most_misses = std::numeric_limits<std::int64_t>::max();
  Duration bucket{0};               ///< > 0: misses are counted by when their requests arrived
  std::function<bool()> stop = {};  ///< asked now and then; true: given up
};

struct Played {
  bool whole = false;  ///< else it was given up and only `work` counts
  Totals totals;
  Instant end;                       ///< billed until here
  Schedule realised;                 ///< what the cluster was told
  std::vector<std::int64_t> misses;  ///< one a bucket
  /// Arrivals simulated; a second of virtual time counts as one, since it costs about as much.
  std::int64_t work = 0;
};

/// `options.recorder` is set aside. Errors: those of opening the trace.
Result<Played> play(WorldOptions options, const Arrivals& arrivals, const Watch& watch);

}  // namespace tidegate::sim
