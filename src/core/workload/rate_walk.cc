#include "core/workload/rate_walk.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::workload {
namespace {

constexpr std::int64_t kLinesADay = 288;
constexpr std::int64_t kDaysAWeek = 7, kWorkdays = 5;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

double of_hour(const Diurnal& day, Duration in_day) {
  double turns =
      static_cast<double>((in_day - day.peak_at).count()) / static_cast<double>(day.day.count());
  return day.low + (day.high - day.low) * (1 + cos_turns(turns)) / 2;
}

}  // namespace

RateWalk::RateWalk(const Shape& shape, Duration from, Duration until, Rng phases)
    : shape_(shape), until_(until), phases_(phases) {
  std::visit(
      Overloaded{[](const OnOff&) {}, [](const Diurnal&) {},
                 [this](const Steady& s) {
                   knots_ = {{Duration(0), s.rate}};
                 },
                 [this](const Step& s) {
                   knots_ = {{s.at, s.before}, {s.at, s.after}};
                 },
                 [this](const Ramp& r) {
                   knots_ = {{r.begin, r.before}, {r.end, r.after}};
                 },
                 [this](const FlashCrowd& f) {
                   Duration top = f.at + f.rise, down = top + f.hold;
                   double most = f.rate * f.factor;
                   knots_ = {{f.at, f.rate}, {top, most}, {down, most}, {down + f.fall, f.rate}};
                 }},
      shape_);
  line_.begin = line_.end = from;
}

bool RateWalk::advance(double need, Duration& at) {
  for (;;) {
    double length = to_seconds(line_.end - line_.begin);
    double left = length - passed_seconds_;
    if (left > 0) {
      double slope = (line_.last - line_.first) / length;
      double rate = std::max(0.0, line_.first + slope * passed_seconds_);
      double room = std::max(0.0, (rate + line_.last) / 2 * left);
      if (need < room) {
        // rate x + slope x^2 / 2 = need, in the form that does not cancel.
        double root = std::sqrt(std::max(0.0, rate * rate + 2 * slope * need));
        passed_seconds_ = std::min(length, passed_seconds_ + 2 * need / (rate + root));
        at = std::min(line_.begin + seconds_f(passed_seconds_), until_ - Duration(1));
        return true;
      }
      need -= room;
    }
    if (line_.end >= until_) return false;
    line_ = line_from(line_.end);
    passed_seconds_ = 0;
  }
}

/// The line that begins here, cut at the end.
RateWalk::Line RateWalk::line_from(Duration begin) {
  Line line = std::visit(Overloaded{[&](const OnOff& phases) { return of_phase(phases, begin); },
                                    [&](const Diurnal& day) { return of_day(day, begin); },
                                    [&](const auto&) { return between_knots(begin); }},
                         shape_);
  line.begin = begin;
  if (line.end > until_) {
    double share = to_seconds(until_ - begin) / to_seconds(line.end - begin);
    line.last = line.first + (line.last - line.first) * share;
    line.end = until_;
  }
  return line;
}

RateWalk::Line RateWalk::between_knots(Duration begin) const {
  auto next = std::upper_bound(knots_.begin(), knots_.end(), begin,
                               [](Duration t, const Knot& knot) { return t < knot.at; });
  if (next == knots_.end()) return {begin, until_, knots_.back().rate, knots_.back().rate};
  if (next == knots_.begin()) return {begin, next->at, next->rate, next->rate};
  const Knot& before = *(next - 1);
  double share = to_seconds(begin - before.at) / to_seconds(next->at - before.at);
  return {begin, next->at, before.rate + (next->rate - before.rate) * share, next->rate};
}

RateWalk::Line RateWalk::of_day(const Diurnal& day, Duration begin) const {
  std::int64_t index = begin / day.day;
  Duration in_day = begin - index * day.day;
  Duration step(day.day.count() / kLinesADay);
  Duration first = step * (in_day / step), last = std::min(first + step, day.day);
  // From a `from` inside a line: the same line, entered late.
  double a = of_hour(day, first), b = of_hour(day, last);
  double entered = a + (b - a) * (to_seconds(in_day - first) / to_seconds(last - first));
  double factor = index % kDaysAWeek >= kWorkdays ? day.weekend : 1;
  return {begin, begin - in_day + last, entered * factor, b * factor};
}

RateWalk::Line RateWalk::of_phase(const OnOff& phases, Duration begin) {
  on_ = !on_;
  Duration length = on_ ? phases.on : phases.off;
  if (phases.sojourn == Sojourn::kExponential) {
    length = std::max(Duration(1), seconds_f(phases_.exponential(to_seconds(length))));
  }
  double rate = on_ ? phases.rate : phases.off_rate;
  return {begin, begin + std::min(length, until_ - begin), rate, rate};
}

}  // namespace tidegate::workload
