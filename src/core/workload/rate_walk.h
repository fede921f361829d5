#pragma once
// RateWalk: walks the integral of a rate over time: from here to where `need` more requests are
// expected. With needs drawn from Exp(1) that is a Poisson process of this rate, with any other law
// of mean 1 one with its burstiness (time change; Cinlar 1975).
//
//   RateWalk walk(Diurnal{.low = 1, .high = 4}, seconds(0), seconds(86'400), phases);
//   for (Duration at; walk.advance(rng.exponential(1), at);) arrive(at);
//
// Every shape is straight lines, so each step is solved exactly, with one square root. A day is
// drawn as 288 lines, within 0.006 % of its swing from the cosine. Thread-safety: one owner.

#include "core/base/rng.h"
#include "core/base/time.h"
#include "core/workload/parts.h"

namespace tidegate::workload {

class RateWalk {
 public:
  /// Nothing comes before `from` nor from `until` on. `phases` is for exponential sojourns.
  RateWalk(const Shape& shape, Duration from, Duration until, Rng phases);
  /// False at the end.
  bool advance(double need, Duration& at);

 private:
  struct Line {
    Duration begin{0}, end{0};
    double first = 0, last = 0;  ///< rates at both ends
  };
  struct Knot {
    Duration at{0};
    double rate = 0;
  };
  Line line_from(Duration begin);
  Line between_knots(Duration begin) const;
  Line of_day(const Diurnal& day, Duration begin) const;
  Line of_phase(const OnOff& phases, Duration begin);

  Shape shape_;
  std::vector<Knot> knots_;  ///< of shapes that are few lines; constant before and after
  Duration until_;
  Rng phases_;
  bool on_ = false;
  Line line_;
  double passed_seconds_ = 0;  ///< of the line
};

}  // namespace tidegate::workload
