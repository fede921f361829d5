#include "core/policy/tide_state.h"

namespace tidegate::policy {

TideState carried_over(const TideState& s) {
  TideState out;
  out.lengths = s.lengths;
  out.usual = s.usual;
  out.work_variance = s.work_variance;
  out.dispersion = s.dispersion;
  if (s.errors.size() == kTidePredictors && s.late_sum.size() == kTideWayCount) {
    out.errors = s.errors;
    out.late_sum = s.late_sum;
    out.late_squares = s.late_squares;
    out.came_sum = s.came_sum;
    out.said_missed = s.said_missed;
    out.really_missed = s.really_missed;
    out.judged = s.judged;
    out.cost = s.cost;
    out.scored = s.scored;
    out.trend.squares = s.trend.squares;
    out.trend.products = s.trend.products;
    out.way = s.way;
    out.flights.assign(kTideWayCount, 0);
    out.late.assign(kTideWayCount, 0);
  }
  out.persistence = s.persistence;
  out.bursts = s.bursts;
  out.credit = s.credit;
  out.luck = s.luck;
  out.surprises = s.surprises;
  out.surprise_hours = s.surprise_hours;
  out.season = s.season;
  out.season_came = s.season_came;
  out.season_said = s.season_said;
  for (const TideVariant& known : s.variants) {
    TideVariant& kept = out.variants.emplace_back();
    kept.decode = known.decode;
    kept.prefill = known.prefill;
    kept.held = known.held;
    kept.hits = known.hits;
  }
  return out;
}

}  // namespace tidegate::policy
