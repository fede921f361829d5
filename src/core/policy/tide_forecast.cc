#include "core/policy/tide_forecast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/math.h"
#include "core/policy/laws.h"
#include "core/policy/tide_season.h"
#include "core/policy/tide_trend.h"

namespace tidegate::policy {

namespace {
constexpr double kSlowWindows = 15;
/// A rise that nobody foresaw is missed for a lead time: one event, however many bins it spans. So
/// experience is counted in lead times: it forgets over as many as hold four events at the share
/// of misses that the SLO allows; what was seen counts from kPriorBlocks of them on, and events for
/// what they are from a few on: the number of them is (sum)^2 / (sum of squares).
constexpr double kMemoryEvents = 4, kPriorBlocks = 60, kPriorEvents = 3;
/// Errors are known from fewer bins than misses are.
constexpr double kErrorSeconds = 1'800;
/// Unseen, a rate moves by three tenths a lead time; that is worth so many bins.
constexpr double kPriorError = 0.3 * 0.3, kPriorBins = 8;
/// Deviations of the forecast kept above it where 0.99 is aimed at, else as many as that quantile
/// of a normal distribution has. More were measured to cost more than they save: bursts are what
/// the peak and the backlog are for.
constexpr double kMargin = 0.6;
double deviations(double share) {
  static const double of_default = normal_quantile(0.99);
  return kMargin * normal_quantile(share) / of_default;
}
/// The SLO's misses are spent half here; starts, bursts and lost replicas have the rest.
constexpr double kMissBudget = 0.5;
/// What is said to be missed is believed until more than the SLO allows in so many lead times was
/// said or missed.
constexpr double kTrustBlocks = 12;
/// A played fleet is not wronger than this.
constexpr double kLeastTrust = 0.1;
/// The error budget: so much of what the SLO allows is to be missed, and is taken to have been over
/// so many lead times before; the misses aimed at are those allowed times or over this at most.
constexpr double kBudgetAim = 0.8, kBudgetBlocks = 8, kMostBudget = 3;
/// Nobody aims at less.
constexpr double kLeastShare = 0.5;
constexpr double kClearlyCheaper = 0.95;
/// One error counts for no more deviations: a start or an outage does not rule the next hour.
constexpr double kWildestDeviations = 3;
/// Nobody is surer than this of a rate, nor less sure than a factor of two.
constexpr double kLeastError = 1e-4, kMostError = 1;
/// A peak is forgotten over this.
constexpr double kPeakSeconds = 2 * 3'600;
/// What a way costs is a mean over so many lead times: misses are remembered for longer.
constexpr double kBillLeads = 100;
/// Times the peak of the last hours, as far as a margin reaches.
constexpr double kMostMargin = 1.5;
constexpr double kBurstDeviations = 4, kFewRequests = 3;
constexpr double kPersistenceGain = 0.2;

double window_of(const Input& in) { return std::max(1.0, to_seconds(in.model.scaling.window)); }

/// Relative variance of counting a rate over `length` seconds.
double counting(double rate, double dispersion, double length) {
  return dispersion / std::max(rate * length, 1.0);
}

const TideWay& way_of(const TideState& s) { return kTideWays[static_cast<std::size_t>(s.way)]; }
std::size_t index_of(TidePredictor predictor) { return static_cast<std::size_t>(predictor); }

/// The mean of the last window, and as far as rises are believed what it rises by until then.
double last_ahead(Duration ahead, const Input& in, const TideState& s) {
  if (in.model.scaling.tide_without == spec::TidePart::kForecast) return s.last;
  return s.last + believed_trend(s) * rise(to_seconds(ahead), window_of(in), s);
}

double predict(TidePredictor which, Duration ahead, const Input& in, const TideState& s) {
  if (which == TidePredictor::kSeason) {
    if (const std::optional<double> said = season_rate(in.seen.wall + ahead, s)) return *said;
  }
  return last_ahead(ahead, in, s);
}

bool allowed(const TideWay& way, const Input& in) {
  const spec::TidePart without = in.model.scaling.tide_without;
  if (without == spec::TidePart::kForecast) return false;
  return without != spec::TidePart::kSeason || way.predictor != TidePredictor::kSeason;
}

/// What a way keeps where its predictor says `said`: no less than its share of the peak.
double rate_of(const TideWay& way, double said, double peak) {
  return std::max(said, way.held * peak);
}
double rate_of(const TideWay& way, const TideForecast& said) {
  return rate_of(way, said.rates[index_of(way.predictor)], said.peak);
}

/// And on top of that: so many deviations of how wrong its predictor is. An error relative to a
/// calm is no measure in a crowd: no margin reaches beyond what the peak of the last hours makes
/// likely.
double margin_of(const TideWay& way, double said, double peak, double deviations,
                 const TideState& s) {
  const double error = said * std::sqrt(std::max(0.0, s.errors[index_of(way.predictor)]));
  const double wide = std::clamp(kMostMargin * s.peak - said, 0.0, deviations * error);
  return std::max(0.0, said + wide - rate_of(way, said, peak));
}

/// What was judged in the lead time that is over, beside what was said of it.
void judge_block(const signal::Demand& seen, double kept, TideState& s) {
  const std::int64_t judged = seen.judged_total - s.block_judged_total;
  const std::int64_t missed = judged - (seen.met_total - s.block_met_total);
  if (s.block_judged_total >= 0 && judged >= 0 && missed >= 0 && missed <= judged) {
    s.judged = s.judged * kept + static_cast<double>(judged);
    s.really_missed = s.really_missed * kept + static_cast<double>(missed);
    s.said_missed = s.said_missed * kept + s.late[static_cast<std::size_t>(s.way)];
  }
  // Nothing is said of a lead time in which no way was played.
  s.block_judged_total = s.serving.size() == kTideWayCount ? seen.judged_total : -1;
  s.block_met_total = seen.met_total;
}

/// A lead time is over: what was late in it is one event.
void close_block(const Input& in, double lead, double share, TideState& s) {
  const double kept = 1 - 1 / (1 + kMemoryEvents / (1 - share));
  if (to_seconds(in.now - s.block_began) < lead) return;
  s.block_began = in.now;
  if (gateway_known(in.seen)) judge_block(in.seen.demand, kept, s);
  s.came_sum = s.came_sum * kept + s.block_came;
  s.block_came = 0;
  for (std::size_t way = 0; way < kTideWayCount; ++way) {
    s.late_sum[way] = s.late_sum[way] * kept + s.late[way];
    s.late_squares[way] = s.late_squares[way] * kept + s.late[way] * s.late[way];
    s.late[way] = 0;
  }
}

/// The share of requests that a way misses, as far as experience tells.
double missed(std::size_t way, double lead, const TideState& s) {
  const double sum = s.late_sum[way] + s.late[way];
  if (!(sum > 0)) return 0;
  const double events = sum * sum / (s.late_squares[way] + s.late[way] * s.late[way]);
  const double came = s.came_sum + s.block_came + kPriorBlocks * lead * s.slow;
  return sum / std::max(came, 1.0) * events / (events + kPriorEvents);
}

/// What every way would serve from here on, and its bill for the bin that is over.
void settle(const Input& in, const TideForecast& said, const TideBin& bin, double lead,
            const Sustained& sustained, TideState& s) {
  const double length = to_seconds(bin.length);
  const double falls = length / (length + to_seconds(spec::scale_down_delay(in.model.scaling)));
  // A burst weighs as its requests do; a new level, once it is one, as much as the old.
  s.block_came += std::max(s.slow, s.last) * to_seconds(bin.length);
  const double mean =
      std::max(to_seconds(bin.length) / (to_seconds(bin.length) + kBillLeads * lead),
               1 / static_cast<double>(s.scored));
  const bool played = s.serving.size() == kTideWayCount;
  if (!played) s.serving.assign(kTideWayCount, 0);
  const double wide = deviations(s.share);
  for (std::size_t way = 0; way < kTideWayCount; ++way) {
    if (played) s.cost[way] += mean * (s.serving[way] - s.cost[way]);
    const TideWay& kept = kTideWays[way];
    const double margin = margin_of(kept, said.rates[index_of(kept.predictor)], said.peak, wide, s);
    const double wanted = std::max(sustained(rate_of(kept, said), margin), 1e-9);
    // Up at once, down through the delay.
    s.serving[way] += (wanted > s.serving[way] ? 1 : falls) * (wanted - s.serving[way]);
  }
}

void score(const TideForecast& said, const TideBin& bin, TideState& s) {
  const double length = to_seconds(bin.length), came = bin.requests_per_second;
  const double share =
      std::max(length / (length + kErrorSeconds), 1 / (static_cast<double>(s.scored) + kPriorBins));
  for (std::size_t k = 0; k < kTidePredictors; ++k) {
    const double rate = said.rates[k];
    const double error = (came - rate) / std::max(rate, 1 / length);
    // Counting alone gives so much; only what is beyond it is the forecast's own error.
    const double noise = counting(rate, s.dispersion, length);
    const double wildest = kWildestDeviations * kWildestDeviations * (s.errors[k] + noise);
    const double own = std::min(error * error, wildest) - noise;
    s.errors[k] = std::clamp(s.errors[k] + share * (own - s.errors[k]), kLeastError, kMostError);
  }
  const double base = rate_of(way_of(s), said);
  if (said.burst > base) {
    const double left = std::clamp((came - base) / (said.burst - base), 0.0, 1.0);
    ++s.bursts;
    const double gain = std::max(kPersistenceGain, 1 / static_cast<double>(s.bursts + 1));
    s.persistence += gain * (left - s.persistence);
  }
}

/// Capacity, and the misses beyond the budget at the price the SLO implies: where a share of 0.99
/// must be met, a miss is worth the room for a hundred requests.
std::array<double, kTideWayCount> prices(double lead, double share, const TideState& s) {
  const double budget = (1 - share) * kMissBudget;
  const double trust = miss_trust(seconds_f(lead), share, s);
  const double worth = s.slow / (1 - share);
  std::array<double, kTideWayCount> out{};
  for (std::size_t way = 0; way < kTideWayCount; ++way) {
    out[way] = s.cost[way] + worth * std::max(0.0, trust * missed(way, lead, s) - budget);
  }
  return out;
}

void choose(const Input& in, double lead, double share, TideState& s) {
  const std::array<double, kTideWayCount> price = prices(lead, share, s);
  // The last value, until another is clearly cheaper.
  std::size_t best = static_cast<std::size_t>(s.way);
  if (price[0] < price[best]) best = 0;
  double least = price[best] * kClearlyCheaper;
  for (std::size_t way = 1; way < kTideWayCount; ++way) {
    if (price[way] >= least || !allowed(kTideWays[way], in)) continue;
    best = way;
    least = price[way];
  }
  s.way = static_cast<std::int64_t>(best);
}

void learn(const TideBin& bin, double window, double lead, TideState& s) {
  const double elapsed = to_seconds(bin.length), rate = bin.requests_per_second;
  s.peak = std::max(s.bin_peak, s.peak * exp(-std::min(600.0, elapsed / kPeakSeconds)));
  s.bin_peak = s.fast;
  s.last += mean_gain(bin, window, s) * (rate - s.last);
  s.slow += mean_gain(bin, kSlowWindows * window, s) * (rate - s.slow);
  learn_trend(bin, window, lead, s);
}

/// The rate of the last seconds where chance on top of `base` does not explain it, else 0.
double burst_rate(double base, const TideState& s) {
  const double noise =
      std::sqrt(std::max(base, 1 / s.fast_seconds) * s.dispersion / (2 * s.fast_seconds));
  // A few requests that happen to come together are no burst, however rare requests are.
  const double few = kFewRequests / s.fast_seconds;
  if (s.bins == 0 || s.fast < base + kBurstDeviations * noise + few) return 0;
  return s.fast - noise;
}

/// The rate that the way in force keeps for `now`, from which a burst stands out.
double kept_now(const Input& in, const TideState& s) {
  return rate_of(way_of(s), predict(way_of(s).predictor, Duration(0), in, s), s.peak);
}

void score_due(const Input& in, const TideBin& bin, Duration lead, double share,
               const Sustained& sustained, TideState& s) {
  const double length = to_seconds(bin.length);
  const double away = std::max(length, to_seconds(lead));
  std::size_t due = 0;
  for (; due < s.forecasts.size() && s.forecasts[due].due <= in.now; ++due) {
    const TideForecast& said = s.forecasts[due];
    if (said.due <= in.now - bin.length || said.rates.size() != kTidePredictors) continue;
    ++s.scored;
    score(said, bin, s);
    judge_rise(said, bin, s);
    settle(in, said, bin, away, sustained, s);
    if (static_cast<double>(s.scored) >= kPriorBins) choose(in, away, share, s);
  }
  close_block(in, away, share, s);
  s.forecasts.erase(s.forecasts.begin(), s.forecasts.begin() + static_cast<std::ptrdiff_t>(due));
}
}  // namespace

Evidence forecast_of(const TideOutlook& ahead, const TideState& s) {
  if (way_of(s).held > 0) return {"peak_forecast_requests_per_second", ahead.rate};
  if (way_of(s).predictor == TidePredictor::kSeason) {
    return {"season_forecast_requests_per_second", ahead.rate};
  }
  return {"last_forecast_requests_per_second", ahead.rate};
}

std::vector<Evidence> why_forecaster(const Input& in, Duration lead, double share,
                                     const TideState& s) {
  std::vector<Evidence> out;
  if (way_of(s).held > 0) out.push_back({"peak_held_ratio", way_of(s).held});
  if (static_cast<double>(s.scored) < kPriorBins || s.cost.size() != kTideWayCount) return out;
  const std::array<double, kTideWayCount> all = prices(to_seconds(lead), share, s);
  out.push_back({"last_price_requests_per_second", all[0]});
  if (allowed(kTideWays[1], in)) out.push_back({"season_price_requests_per_second", all[1]});
  if (allowed(kTideWays[2], in)) {
    const double peak = way_of(s).held > 0 ? all[static_cast<std::size_t>(s.way)]
                                           : *std::min_element(all.begin() + 2, all.end());
    out.push_back({"peak_price_requests_per_second", peak});
  }
  return out;
}

double miss_trust(Duration lead, double share, const TideState& s) {
  const double prior = kTrustBlocks * (1 - share) * std::max(1.0, to_seconds(lead) * s.slow);
  return std::clamp((s.really_missed + prior) / (s.said_missed + prior), kLeastTrust, 1.0);
}

double budget_spent(Duration lead, double share, const TideState& s) {
  const double prior = kBudgetBlocks * std::max(1.0, to_seconds(lead) * s.slow);
  return (s.really_missed / (1 - share) + kBudgetAim * prior) / (s.judged + prior);
}

double aimed_share(Duration lead, double share, const TideState& s) {
  const double left = kBudgetAim / budget_spent(lead, share, s);
  const double aimed = 1 - (1 - share) * std::clamp(left, 1 / kMostBudget, kMostBudget);
  return std::max(aimed, kLeastShare);
}

void play_ways(const Input& in, double service_seconds, double wait_seconds, TideState& s) {
  if (s.serving.size() != kTideWayCount || !(s.tick_seconds > 0)) return;
  const Stay stay = stay_of(in, service_seconds, wait_seconds, s);
  for (std::size_t way = 0; way < kTideWayCount; ++way) {
    s.late[way] += play(s.serving[way], stay, s, s.flights[way]);
  }
}

void watch_burst(const Input& in, TideState& s) {
  if (s.errors.size() != kTidePredictors) return;
  s.bin_burst = std::max(s.bin_burst, burst_now(in, s));
}

void forecast_bin(const Input& in, const TideBin& bin, Duration lead, double share,
                  const Sustained& sustained, TideState& s) {
  if (s.errors.size() != kTidePredictors) {
    s.errors.assign(kTidePredictors, kPriorError);
    s.serving.clear();
    s.flights.assign(kTideWayCount, 0);
    s.late.assign(kTideWayCount, 0);
    s.late_sum.assign(kTideWayCount, 0);
    s.late_squares.assign(kTideWayCount, 0);
    s.block_began = in.now;
    s.cost.assign(kTideWayCount, 0);
  }
  score_due(in, bin, lead, share, sustained, s);
  learn(bin, window_of(in), to_seconds(lead), s);
  learn_season(bin, in.seen.wall, s);
  // What the first bins say is no mean yet.
  if (in.now - s.began < in.model.scaling.window) return;
  if (s.forecasts.size() >= kMostTideForecasts) s.forecasts.erase(s.forecasts.begin());
  TideForecast next;
  next.due = in.now + lead;
  for (std::size_t k = 0; k < kTidePredictors; ++k) {
    next.rates.push_back(predict(static_cast<TidePredictor>(k), lead, in, s));
  }
  next.burst = s.bin_burst;
  next.peak = s.peak;
  next.level = s.last;
  next.rise = rise(to_seconds(lead), window_of(in), s);
  s.bin_burst = 0;
  s.forecasts.push_back(std::move(next));
}

double burst_now(const Input& in, const TideState& s) { return burst_rate(kept_now(in, s), s); }

TideOutlook outlook(const Input& in, Duration ahead, double burst, const TideState& s) {
  TideOutlook out;
  if (s.errors.size() != kTidePredictors) return out;
  const double window = window_of(in);
  out.said = predict(way_of(s).predictor, ahead, in, s);
  out.rate = rate_of(way_of(s), out.said, s.peak);
  double memory = way_of(s).predictor == TidePredictor::kLast ? window : kSlowWindows * window;
  if (way_of(s).held > 0 && out.rate > out.said) memory = kPeakSeconds;
  out.level_error = out.rate * std::sqrt(counting(out.rate, s.dispersion, 2 * memory));
  if (burst > out.rate) out.burst = out.rate + s.persistence * (burst - out.rate);
  return out;
}

double margin(const TideOutlook& ahead, const TideState& s) {
  if (s.errors.size() != kTidePredictors) return 0;
  return margin_of(way_of(s), ahead.said, s.peak, deviations(s.share), s);
}

TideOutlook at_hand(const Input& in, const TideState& s) {
  TideOutlook out;
  out.rate = s.last;
  out.level_error = s.last * std::sqrt(counting(s.last, s.dispersion, 2 * window_of(in)));
  out.burst = burst_rate(s.last, s);
  return out;
}

}  // namespace tidegate::policy
