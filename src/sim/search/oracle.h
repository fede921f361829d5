#pragma once
// Oracle: a bound, not a policy. The fewest GPU-hours found with which a fleet that knows every
// arrival and every cold start reaches an attainment, simulated, not computed.
//
//   auto found = oracle({.world = {.model = model, .initial = initial, .seed = seed},
//                        .open = open, .attainment = 0.99, .end = end,
//                        .candidates = {{"keda", world.realised(), world.totals()}}});
//   found->reached, found->totals.gpu_hours, found->schedule;
//
// Every schedule is played by a World of the same seed and billed like a policy: until `end`, or
// until it has drained where that is later; then `found->end` is later too, and policies compared
// with it are to be billed until there. Bounds of the spec hold. Tried, in this order:
//
//   candidates   what policies did in the same run; so it never loses to one that reaches the level
//   demand       replicas for the tokens of several windows, over capacity (sim/sizing.h) times a
//                headroom, ordered a cold start ahead and kept over gaps shorter than one
//   static       the least fixed fleet that reaches it
//   local        from the best so far: one replica fewer, or more, in stretches of time, coarse to
//                fine; what each would cost in misses is read from a few runs that change many
//                stretches far apart, and the best exchange is played whole
//   neighbours   one stretch, then two at once, until none is cheaper or the budget is spent
//
// Fewest GPU-hours first, then dollars, then replica-hours, then misses. Nothing promises the least
// there is. Deterministic: the budget counts simulated requests (a second of virtual time counts as
// one), not time, and threads change nothing. Thread-safety: a function.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/search/arrivals.h"
#include "sim/world.h"

namespace tidegate::sim {

struct OracleCandidate {
  std::string name;
  Schedule schedule;
  Totals totals;  ///< of its own run, billed until `end`
};

struct OracleOptions {
  static constexpr std::int64_t kBudget = 10'000'000;
  /// So many schedules are played whatever the budget: a long trace gets a bound, too.
  static constexpr std::int64_t kLeastEvaluations = 8;

  WorldOptions world;  ///< schedule, supply and recorder are set aside
  OpenStream open;     ///< the requests of this model
  double attainment = 0.99;
  Instant end;  ///< until when the policies beside it are billed
  std::vector<OracleCandidate> candidates = {};
  std::int64_t budget = kBudget;  ///< simulated requests
  /// Own schedules change at multiples of it; 0: 1/512 of the trace, at least 5 s.
  Duration slot{0};
  std::size_t threads = 0;                          ///< 0: all there are
  std::function<void(double share)> progress = {};  ///< of the budget; now and then
};

struct OracleResult {
  bool reached = false;  ///< else no schedule found reaches it, and this one comes nearest
  Schedule schedule;
  Totals totals;  ///< billed until `end`
  Instant end;
  std::string found_by;  ///< "keda", "static 4", "demand 300s x 1.2", "search"
  std::int64_t evaluations = 0;
  std::int64_t simulated = 0;  ///< requests, in all of them
  bool exhausted = false;      ///< the budget ended the search; more may find less
};

/// Errors: a trace that cannot be read, an attainment outside (0, 1].
Result<OracleResult> oracle(const OracleOptions& options);

}  // namespace tidegate::sim
