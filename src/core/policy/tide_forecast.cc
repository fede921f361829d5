#include "core/policy/tide_forecast.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"
#include "core/policy/tide_season.h"

namespace tidegate::policy {

namespace {
constexpr double kSlowWindows = 15, kSlopeWindows = 5, kTrendWindows = 10;
/// A rise that nobody foresaw is missed for a lead time: one event, however many bins it spans. So
/// experience is counted in lead times: it forgets over as many as hold four events at the share
/// of misses that the SLO allows, and before anything was played it is as sure as after one.
constexpr double kMemoryEvents = 4, kPriorEvents = 1;
/// Errors are known from fewer bins than misses are.
constexpr double kErrorSeconds = 1'800;
/// Unseen, a rate moves by a tenth a lead time; that is worth so many bins.
constexpr double kPriorError = 0.1 * 0.1, kPriorBins = 8;
/// The SLO's misses are spent half here; starts, bursts and lost replicas have the rest.
constexpr double kMissBudget = 0.5;
constexpr double kClearly = 0.95;
/// One error counts for no more deviations: a start or an outage does not rule the next hour.
constexpr double kWildestDeviations = 3;
/// Nobody is surer than this of a rate, nor less sure than a factor of two.
constexpr double kLeastError = 1e-4, kMostError = 1;
constexpr double kBurstDeviations = 4;
constexpr double kPersistenceGain = 0.2;

double gain(double elapsed, double memory, double age) {
  return std::max(elapsed / (elapsed + memory), elapsed / std::max(elapsed, age));
}

double window_of(const Input& in) { return std::max(1.0, to_seconds(in.model.scaling.window)); }

/// Relative variance of counting a rate over `length` seconds.
double counting(double rate, double dispersion, double length) {
  return dispersion / std::max(rate * length, 1.0);
}

double predict(TidePredictor which, Duration ahead, const Input& in, const TideState& s) {
  switch (which) {
    case TidePredictor::kLast:
      break;
    case TidePredictor::kSlow:
      return s.slow;
    case TidePredictor::kTrend: {
      const double away = to_seconds(ahead);
      return std::max(0.0, s.level + s.slope * away / (1 + away / (kTrendWindows * window_of(in))));
    }
    case TidePredictor::kSeason:
      return season_rate(in.seen.wall + ahead, s).value_or(s.last);
  }
  return s.last;
}

bool allowed(TidePredictor which, const Input& in) {
  const spec::TidePart without = in.model.scaling.tide_without;
  if (without == spec::TidePart::kForecast) return which == TidePredictor::kLast;
  return without != spec::TidePart::kSeason || which != TidePredictor::kSeason;
}

double margin_of(std::size_t way) { return kTideMargins[way % std::size(kTideMargins)]; }
std::size_t predictor_index(std::size_t way) { return way / std::size(kTideMargins); }

double deviation(std::size_t predictor, double rate, const TideState& s) {
  return rate * std::sqrt(std::max(0.0, s.errors[predictor]));
}

/// The queue that every way would have now.
void play(const TideForecast& said, const TideBin& bin, double wait, double gain,
          const Sustained& sustained, TideState& s) {
  const double length = to_seconds(bin.length), came = bin.requests_per_second;
  // A burst weighs as its requests do; a new level, once it is one, as much as the old.
  const double weight = came / std::max({s.slow, s.last, 1 / length});
  for (std::size_t way = 0; way < kTideWays; ++way) {
    const double rate = said.rates[predictor_index(way)];
    const double margin = margin_of(way) * deviation(predictor_index(way), rate, s);
    const double serves = std::max(sustained(rate, margin), 1e-9);
    double& queue = s.queues[way];
    queue = std::max(0.0, queue + (came - serves) * length);
    // Nobody orders for longer than a few bins without seeing the queue.
    queue = std::min(queue, came * length * 4);
    const double late = queue > serves * wait + 1e-9 ? weight : 0;
    s.missed[way] += gain * (late - s.missed[way]);
    s.cost[way] += std::max(gain, 1 / static_cast<double>(s.scored)) * (serves - s.cost[way]);
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
  const double base = said.rates[predictor_index(static_cast<std::size_t>(s.way))];
  if (said.burst > base) {
    const double left = std::clamp((came - base) / (said.burst - base), 0.0, 1.0);
    s.persistence += kPersistenceGain * (left - s.persistence);
  }
}

/// Capacity, and the misses beyond the budget at the price the SLO implies: where a share of 0.99
/// must be met, a miss is worth the room for a hundred requests.
void choose(const Input& in, double share, TideState& s) {
  const double budget = (1 - share) * kMissBudget;
  auto price = [&](std::size_t way) {
    return s.cost[way] + s.slow * std::max(0.0, s.missed[way] - budget) / (1 - share);
  };
  auto best = static_cast<std::size_t>(s.way);
  double least = price(best) * kClearly;
  for (std::size_t way = 0; way < kTideWays; ++way) {
    if (price(way) >= least) continue;
    if (!allowed(static_cast<TidePredictor>(predictor_index(way)), in)) continue;
    best = way;
    least = price(way);
  }
  s.way = static_cast<std::int64_t>(best);
}

void learn(const TideBin& bin, double window, TideState& s) {
  const double elapsed = to_seconds(bin.length), rate = bin.requests_per_second;
  const double age = static_cast<double>(s.bins) * elapsed;
  s.last += gain(elapsed, window, age) * (rate - s.last);
  s.slow += gain(elapsed, kSlowWindows * window, age) * (rate - s.slow);
  if (s.bins <= 1) {
    s.level = rate;
    return;
  }
  const double said = s.level + s.slope * elapsed;
  const double level = said + gain(elapsed, 2 * window, age) * (rate - said);
  s.slope += elapsed / (elapsed + kSlopeWindows * window) * ((level - s.level) / elapsed - s.slope);
  s.level = std::max(0.0, level);
}

/// The rate of the last seconds where chance does not explain it, else 0.
double burst_rate(const Input& in, const TideState& s) {
  const double base = predict(predictor_of(s), Duration(0), in, s);
  const double noise =
      std::sqrt(std::max(base, 1 / kTideFastSeconds) * s.dispersion / (2 * kTideFastSeconds));
  if (s.bins == 0 || s.fast < base + kBurstDeviations * noise) return 0;
  return s.fast - noise;
}

void score_due(const Input& in, const TideBin& bin, Duration lead, double share, Duration wait,
               const Sustained& sustained, TideState& s) {
  const double length = to_seconds(bin.length);
  const double event = std::max(length, to_seconds(lead)) / (1 - share);
  const double memory = kMemoryEvents * event, prior = kPriorEvents * event / length;
  std::size_t due = 0;
  for (; due < s.forecasts.size() && s.forecasts[due].due <= in.now; ++due) {
    const TideForecast& said = s.forecasts[due];
    if (said.due <= in.now - bin.length || said.rates.size() != kTidePredictors) continue;
    ++s.scored;
    score(said, bin, s);
    const double gain =
        std::max(length / (length + memory), 1 / (static_cast<double>(s.scored) + prior));
    play(said, bin, to_seconds(wait), gain, sustained, s);
    if (static_cast<double>(s.scored) >= kPriorBins) choose(in, share, s);
  }
  s.forecasts.erase(s.forecasts.begin(), s.forecasts.begin() + static_cast<std::ptrdiff_t>(due));
}
}  // namespace

TidePredictor predictor_of(const TideState& s) {
  return static_cast<TidePredictor>(predictor_index(static_cast<std::size_t>(s.way)));
}

void forecast_bin(const Input& in, const TideBin& bin, Duration lead, double share, Duration wait,
                  const Sustained& sustained, TideState& s) {
  if (s.errors.size() != kTidePredictors) {
    s.errors.assign(kTidePredictors, kPriorError);
    s.queues.assign(kTideWays, 0);
    s.missed.assign(kTideWays, 0);
    s.cost.assign(kTideWays, 0);
  }
  score_due(in, bin, lead, share, wait, sustained, s);
  learn(bin, window_of(in), s);
  learn_season(bin, in.seen.wall, s);
  // What the first bins say is no mean yet.
  if (in.now - s.began < in.model.scaling.window) return;
  if (s.forecasts.size() >= kMostTideForecasts) s.forecasts.erase(s.forecasts.begin());
  TideForecast next;
  next.due = in.now + lead;
  for (std::size_t k = 0; k < kTidePredictors; ++k) {
    next.rates.push_back(predict(static_cast<TidePredictor>(k), lead, in, s));
  }
  next.burst = burst_rate(in, s);
  s.forecasts.push_back(std::move(next));
}

TideOutlook outlook(const Input& in, Duration ahead, const TideState& s) {
  TideOutlook out;
  if (s.errors.size() != kTidePredictors) return out;
  const double window = window_of(in);
  const TidePredictor chosen = predictor_of(s);
  out.rate = predict(chosen, ahead, in, s);
  out.error = margin_of(static_cast<std::size_t>(s.way)) *
              deviation(static_cast<std::size_t>(chosen), out.rate, s);
  double memory = window;
  if (chosen == TidePredictor::kSlow || chosen == TidePredictor::kSeason)
    memory = kSlowWindows * window;
  if (chosen == TidePredictor::kTrend) memory = 2 * window;
  out.level_error = out.rate * std::sqrt(counting(out.rate, s.dispersion, 2 * memory));
  const double burst = burst_rate(in, s);
  if (burst > out.rate) out.burst = out.rate + s.persistence * (burst - out.rate);
  return out;
}

}  // namespace tidegate::policy
