#include "core/policy/tide_credit.h"

#include <algorithm>

#include "core/policy/tide_play.h"

namespace tidegate::policy {

namespace {
constexpr double kMemorySeconds = 1'800;
/// By so much of its error another share must explain better than the whole.
constexpr double kClearlyLess = 0.7;
/// As many misses as this make a case.
constexpr double kLeastMisses = 20;
/// Below this share of the capacity misses are nobody's but the engine's.
constexpr double kBusy = 0.25;
/// Of the misses that the SLO allows, chance may have half.
constexpr double kChanceBudget = 0.5;
constexpr double kLuckGain = 0.02, kMostTimes = 10, kLeastLuck = 0.4, kMostLuck = 2.5;
/// A bin in which chance may have so few misses counts for half.
constexpr double kLuckMisses = 3;
/// The way to what is believed, a lead of minutes: capacity must not jump with it.
constexpr double kFollowSeconds = 300;

/// The margins of chance grow while more is missed than they should let through, and shrink slowly
/// while less is: at rest just so much is missed. A bin in which hardly any may be says little.
void learn_luck(double budget, TideState& s) {
  if (s.bin_judged < 1) return;
  const double expected = s.bin_judged * budget;
  const double beyond = (s.bin_missed - expected) / (expected + kLuckMisses);
  s.luck =
      std::clamp(s.luck * (1 + kLuckGain * std::min(beyond, kMostTimes)), kLeastLuck, kMostLuck);
}
}  // namespace

void play_credits(const Input& in, double requests_per_second, double service_seconds,
                  double wait_seconds, TideState& s) {
  const signal::Demand& d = in.seen.demand;
  const std::int64_t judged = d.judged_total - s.judged_total;
  const std::int64_t missed = judged - (d.met_total - s.met_total);
  const bool goes_on = s.judged_total >= 0 && judged >= 0 && missed >= 0 && missed <= judged;
  s.judged_total = d.judged_total;
  s.met_total = d.met_total;
  if (goes_on) {
    s.bin_judged += static_cast<double>(judged);
    s.bin_missed += static_cast<double>(missed);
    const double window = std::max(1.0, to_seconds(in.model.scaling.window));
    const double kept = window / (window + s.tick_seconds);
    s.recent_judged = s.recent_judged * kept + static_cast<double>(judged);
    s.recent_missed = s.recent_missed * kept + static_cast<double>(missed);
  }
  if (s.credit_flights.size() != kTideCreditCount) {
    s.credit_flights.assign(kTideCreditCount, 0);
    s.credit_late.assign(kTideCreditCount, 0);
    s.credit_error.assign(kTideCreditCount, 0);
  }
  if (!(s.tick_seconds > 0)) return;
  const Stay stay = stay_of(in, service_seconds, wait_seconds, s);
  for (std::size_t i = 0; i < kTideCreditCount; ++i) {
    const double serves = std::max(1e-9, requests_per_second * kTideCredits[i]);
    s.credit_late[i] += play(serves, stay, s, s.credit_flights[i]);
  }
}

void learn_credit(const TideBin& bin, double requests_per_second, double share, TideState& s) {
  if (s.credit_late.size() != kTideCreditCount) return;
  const double bin_seconds = to_seconds(bin.length);
  // Busy, and nothing late by the model: what was missed is chance's doing.
  if (bin.requests_per_second > kBusy * requests_per_second && s.credit_late[0] <= 0) {
    learn_luck((1 - share) * kChanceBudget, s);
  }
  const double kept = 1 - bin_seconds / (bin_seconds + kMemorySeconds);
  s.misses = s.misses * kept + s.bin_missed;
  for (std::size_t i = 0; i < kTideCreditCount; ++i) {
    const double off = s.credit_late[i] - s.bin_missed;
    s.credit_error[i] = s.credit_error[i] * kept + off * off;
    s.credit_late[i] = 0;
  }
  s.bin_missed = s.bin_judged = 0;
  std::size_t best = 0;
  for (std::size_t i = 1; i < kTideCreditCount; ++i) {
    if (s.credit_error[i] < s.credit_error[best]) best = i;
  }
  const bool clear =
      s.misses >= kLeastMisses && s.credit_error[best] < kClearlyLess * s.credit_error[0];
  const double believed = clear ? kTideCredits[best] : 1;
  s.credit += bin_seconds / (bin_seconds + kFollowSeconds) * (believed - s.credit);
}

}  // namespace tidegate::policy
