#pragma once
// Contest: schedules are played, the best is kept, the budget is counted. What oracle.h's search
// is made of.
//
//   Contest contest(options, arrivals);
//   contest.play(lines, Contest::Need::kBest, names);
//   contest.best().totals.gpu_hours;
//
// Schedules of one call are played at once and judged in the order given; what was tried before is
// not tried again. Thread-safety: one owner.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/search/oracle.h"
#include "sim/search/timeline.h"
#include "sim/search/trial.h"

namespace tidegate::sim {

/// The one that local search starts from: it was played here, whole.
struct Base {
  Timeline line;
  bool reached = false;
  Totals totals;
  std::vector<std::int64_t> misses;  ///< one a slot, by arrival
};

class Contest {
 public:
  enum class Need : std::uint8_t {
    kBest,   ///< given up as soon as it cannot be the best
    kWhole,  ///< played to its end whatever it is, tried before or not
  };

  Contest(const OracleOptions& options, const Arrivals& arrivals);

  /// Plays as many of `lines` as the budget has; what was not played, or given up, comes back not
  /// whole. The last of `names` holds for all that follow. Errors: those of the trace.
  Result<std::vector<Played>> play(const std::vector<Timeline>& lines, Need need,
                                   const std::vector<std::string>& names);
  /// A run that is known already.
  void enter(const OracleCandidate& candidate);

  /// Some schedule has been entered or played whole.
  const OracleResult& best() const { return best_; }
  const std::optional<Base>& base() const { return base_; }
  /// How often best() changed.
  std::int64_t improvements() const { return improvements_; }
  /// Nothing more is to be played: so that a larger budget goes the same way, and further.
  bool spent() const;
  /// Whether it reached the level; unknown where it was not played.
  std::optional<bool> reached(const Timeline& line) const;
  bool reaches(const Totals& totals) const;
  /// Misses the level allows.
  std::int64_t allowed() const { return allowed_; }

  const OracleOptions& options() const { return options_; }
  const Arrivals& arrivals() const { return arrivals_; }
  const spec::Model& model() const { return options_.world.model; }
  Duration slot() const { return slot_; }
  /// Up to here replicas are billed, if nothing drains later.
  Duration end() const;
  /// What a replica-hour of each variant counts in the sum that is made small.
  const std::vector<double>& weights() const { return weights_; }
  /// The line within the bounds in force at each time: the spec's, or those of its windows.
  Timeline fitted(Timeline line) const;

 private:
  struct Window {
    Span span;
    std::vector<plan::BoundsInForce> bounds;  ///< one a variant
  };
  bool better(const Totals& a, const Totals& b) const;
  void keep(const Timeline& line, const Played& played, const std::string& name);

  const OracleOptions& options_;
  const Arrivals& arrivals_;
  Duration slot_;
  std::int64_t allowed_ = 0;
  std::vector<double> weights_;
  std::vector<Window> windows_;  ///< from the start on, without gaps
  OracleResult best_;
  bool any_ = false;
  std::optional<Base> base_;
  std::int64_t improvements_ = 0;
  bool cut_ = false;                               ///< lines were left out for the budget
  std::unordered_map<std::uint64_t, bool> tried_;  ///< hash of a line: it reached the level
};

}  // namespace tidegate::sim
