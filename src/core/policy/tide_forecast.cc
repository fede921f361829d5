#include "core/policy/tide_forecast.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::policy {

namespace {
constexpr double kSlowWindows = 15, kSlopeWindows = 5, kTrendWindows = 10;
/// Records forget over so many lead times, an hour at least: long enough for several quantiles'
/// worth of bins, short enough for the day's next shape.
constexpr double kRecordLeads = 20, kRecordSeconds = 3'600;
/// Unseen, a rate moves by a tenth a lead time; that is worth so many bins.
constexpr double kPriorError = 0.1 * 0.1, kPriorBins = 8;
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

double predict(TidePredictor which, double ahead, double window, const TideState& s) {
  switch (which) {
    case TidePredictor::kLast:
      return s.last;
    case TidePredictor::kSlow:
      return s.slow;
    case TidePredictor::kTrend:
      return std::max(0.0, s.level + s.slope * ahead / (1 + ahead / (kTrendWindows * window)));
  }
  return s.last;
}

void score(const TideForecast& said, const TideBin& bin, double quantile, double memory,
           TideState& s) {
  const double length = to_seconds(bin.length), came = bin.requests_per_second;
  const double z = normal_quantile(quantile);
  ++s.scored;
  const auto scored = static_cast<double>(s.scored);
  const double share = std::max(length / (length + memory), 1 / (scored + kPriorBins));
  for (std::size_t k = 0; k < s.records.size() && k < said.rates.size(); ++k) {
    const double rate = said.rates[k], scale = std::max({rate, came, 1 / length});
    TideRecord& record = s.records[k];
    const double bound = rate * (1 + z * std::sqrt(record.error));
    const double over = (came - bound) / scale;
    const double loss = over > 0 ? quantile * over : (quantile - 1) * over;
    const double error = (came - rate) / std::max(rate, 1 / length);
    const double wildest = kWildestDeviations * kWildestDeviations * record.error;
    record.loss += share * (loss - record.loss);
    record.error += share * (std::min(error * error, wildest) - record.error);
    record.error = std::clamp(record.error, kLeastError, kMostError);
  }
  if (said.burst > 0) {
    const double base = said.rates[static_cast<std::size_t>(s.chosen)];
    const double left = std::clamp((came - base) / (said.burst - base), 0.0, 1.0);
    s.persistence += kPersistenceGain * (left - s.persistence);
  }
}

void choose(TideState& s) {
  auto loss = [&](TidePredictor p) { return s.records[static_cast<std::size_t>(p)].loss; };
  TidePredictor best = s.chosen;
  for (TidePredictor p : {TidePredictor::kLast, TidePredictor::kSlow, TidePredictor::kTrend}) {
    if (loss(p) < kClearly * loss(best)) best = p;
  }
  s.chosen = best;
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
  const double base = predict(s.chosen, 0, window_of(in), s);
  const double noise =
      std::sqrt(std::max(base, 1 / kTideFastSeconds) * s.dispersion / (2 * kTideFastSeconds));
  if (s.bins == 0 || s.fast < base + kBurstDeviations * noise) return 0;
  return s.fast - noise;
}
}  // namespace

void forecast_bin(const Input& in, const TideBin& bin, Duration lead, double quantile,
                  TideState& s) {
  const double window = window_of(in);
  if (s.records.size() != kTidePredictors) {
    s.records.assign(kTidePredictors, TideRecord{kPriorError, 0});
  }
  const double memory = std::max(kRecordSeconds, kRecordLeads * to_seconds(lead));
  std::size_t due = 0;
  for (; due < s.forecasts.size() && s.forecasts[due].due <= in.now; ++due) {
    if (s.forecasts[due].due > in.now - bin.length)
      score(s.forecasts[due], bin, quantile, memory, s);
  }
  s.forecasts.erase(s.forecasts.begin(), s.forecasts.begin() + static_cast<std::ptrdiff_t>(due));
  choose(s);
  learn(bin, window, s);
  // What the first bins say is no mean yet.
  if (in.now - s.began < in.model.scaling.window) return;
  if (s.forecasts.size() >= kMostTideForecasts) s.forecasts.erase(s.forecasts.begin());
  TideForecast next;
  next.due = in.now + lead;
  for (std::size_t k = 0; k < kTidePredictors; ++k) {
    next.rates.push_back(predict(static_cast<TidePredictor>(k), to_seconds(lead), window, s));
  }
  const double burst = burst_rate(in, s);
  if (burst > next.rates[static_cast<std::size_t>(s.chosen)]) next.burst = burst;
  s.forecasts.push_back(std::move(next));
}

TideOutlook outlook(const Input& in, Duration ahead, Duration lead, const TideState& s) {
  TideOutlook out;
  if (s.records.size() != kTidePredictors) return out;
  const double window = window_of(in);
  out.rate = predict(s.chosen, to_seconds(ahead), window, s);
  const TideRecord& record = s.records[static_cast<std::size_t>(s.chosen)];
  const double length = std::max(window / 4, to_seconds(lead) / kTideBins);
  const double farther = std::max(1.0, to_seconds(ahead) / std::max(1e-9, to_seconds(lead)));
  const double variance =
      std::max(0.0, record.error - counting(out.rate, s.dispersion, length)) * farther;
  out.error = out.rate * std::sqrt(variance);
  const double memory = s.chosen == TidePredictor::kSlow   ? kSlowWindows * window
                        : s.chosen == TidePredictor::kLast ? window
                                                           : 2 * window;
  out.level_error = out.rate * std::sqrt(counting(out.rate, s.dispersion, 2 * memory));
  const double burst = burst_rate(in, s);
  if (burst > out.rate) out.burst = out.rate + s.persistence * (burst - out.rate);
  return out;
}

}  // namespace tidegate::policy
