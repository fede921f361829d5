#include "core/policy/tide_work.h"

#include <algorithm>
#include <cmath>

namespace tidegate::policy {

namespace {
/// Requests that make a mean length: its error is then about 5 % where lengths are spread as usual.
constexpr double kLengthMemory = 500, kFewRequests = 20;
/// What rates are counted in moves slower than all that is remembered of them but the season.
constexpr double kUsualMemory = 5'000, kUsualSeconds = 6 * 3'600;
constexpr double kRecentSeconds = 30;
/// In variances: less than two deviations off is no change.
constexpr double kClearChange = 4;
/// One reading counts for no more deviations: nonsense does not rule the next minute.
constexpr double kWildestDeviations = 5;
/// What simulate and load fall back on, too.
constexpr engine::Lengths kUsualLengths{1'000, 200};
/// Fewer say nothing of a mean.
constexpr double kLeastRequests = 1e-6;
constexpr double kLeastVariance = 1e-6;

TideLengths lengths_of(const Arrived& came) {
  return {came.prompt_tokens / came.counted, came.output_tokens / came.counted,
          came.kv_token_steps / came.counted, came.counted};
}

/// Tokens may come all the time, ends now and then: a mean of sums, not of ratios.
void fold(const Arrived& came, double memory, TideLengths& mean) {
  const double all = mean.requests + came.counted;
  if (!(all > kLeastRequests)) return;
  auto add = [&](double& of, double sum) { of = (of * mean.requests + sum) / all; };
  add(mean.prompt_tokens, came.prompt_tokens);
  add(mean.output_tokens, came.output_tokens);
  const bool known = came.kv_token_steps > 0 || !(came.counted > 0);
  add(mean.kv_token_steps, came.kv_token_steps);
  if (!known) mean.kv_token_steps = 0;
  mean.requests = std::min(memory, all);
}

/// What a request of `came` takes joins those of the last half minute; the share of how far it is
/// off that is believed.
double watch_work(const Arrived& came, double each, double expected, TideState& s) {
  const double most = kWildestDeviations * std::sqrt(s.work_variance / came.counted);
  const double off = each - expected, bounded = std::clamp(off, -most, most);
  const double gain = came.counted / (came.counted + kLengthMemory);
  s.work_variance += gain * (came.counted * bounded * bounded - s.work_variance);
  s.work_variance = std::max(s.work_variance, kLeastVariance);
  s.recent_work += came.counted * std::max(0.0, expected + bounded);
  return off == 0 ? 1 : bounded / off;
}

/// So much nearer to what came of late.
void pull(const TideLengths& late, double share, Arrived& came) {
  auto move = [&](double& sum, double mean) { sum += (1 - share) * (mean * came.counted - sum); };
  move(came.prompt_tokens, late.prompt_tokens);
  move(came.output_tokens, late.output_tokens);
  move(came.kv_token_steps, late.kv_token_steps);
}

/// As far from what a request takes of late as is believed.
double now_of(double late, const TideState& s) {
  if (!(s.recent.requests > kLeastRequests)) return late;
  return late + s.believed * (s.recent_work / s.recent.requests - late);
}
}  // namespace

double believed_share(double difference, double variance, double clearly) {
  return std::max(0.0, 1 - clearly * variance / std::max(difference * difference, 1e-12));
}

engine::LengthMoments moments_of(const TideLengths& of) {
  engine::Lengths mean = kUsualLengths;
  if (of.requests >= 1) {
    mean = {std::max(1.0, of.prompt_tokens), std::max(1.0, of.output_tokens)};
  }
  engine::LengthMoments out = engine::LengthMoments::of(mean);
  if (of.requests >= 1 && of.kv_token_steps > 0) {
    out.prompt_output = std::max(0.0, of.kv_token_steps - out.output_squared / 2);
  }
  return out;
}

double work_of_late(const TideWork& work, const TideState& s) {
  return work(moments_of(s.lengths));
}

double work_now(const TideWork& work, const TideState& s) {
  return now_of(work_of_late(work, s), s);
}

double worth(double elapsed, const TideWork& work, Arrived& came, TideState& s) {
  const double late = work_of_late(work, s);
  const double kept = kRecentSeconds / (kRecentSeconds + elapsed);
  s.recent_work *= kept;
  s.recent.requests *= kept;
  s.believed = 0;
  if (s.lengths.requests < kFewRequests) return came.requests * late;  // these are the usual
  if (came.counted > 0) {
    const bool heard = s.recent.requests > kLeastRequests;
    const double expected = heard ? s.recent_work / s.recent.requests : late;
    pull(s.lengths, watch_work(came, work(moments_of(lengths_of(came))), expected, s), came);
    fold(came, s.recent.requests + came.counted, s.recent);
  }
  if (!(s.recent.requests > kLeastRequests)) return came.requests * late;
  const double beyond = s.recent_work / s.recent.requests - late;
  // Of weights that fade the squares sum to half.
  const double chance = s.work_variance / (2 * s.recent.requests);
  s.believed = believed_share(beyond, chance, kClearChange);
  return came.requests * now_of(late, s);
}

engine::LengthMoments lengths_now(const TideState& s) {
  TideLengths out = s.lengths;
  auto move = [&](double& mean, double recent) { mean += s.believed * (recent - mean); };
  move(out.prompt_tokens, s.recent.prompt_tokens);
  move(out.output_tokens, s.recent.output_tokens);
  move(out.kv_token_steps, s.recent.kv_token_steps);
  if (s.believed > 0 && !(s.recent.kv_token_steps > 0)) out.kv_token_steps = 0;
  return moments_of(out);
}

void learn_lengths(const Arrived& came, double looked_back_seconds, TideState& s) {
  fold(came, std::max(kLengthMemory, s.slow * looked_back_seconds), s.lengths);
  fold(came, std::max(kUsualMemory, s.slow * kUsualSeconds), s.usual);
}

double waiting_work(const Input& in, const TideWork& work, const TideState& s) {
  const signal::Signal waiting = signal::waiting_requests(in.seen);
  if (waiting.absent()) return 0;
  const signal::Demand& d = in.seen.demand;
  const double queued = gateway_known(in.seen) ? static_cast<double>(d.queued_requests) : 0;
  const double elsewhere = std::max(0.0, waiting.value - queued);
  const double out = elsewhere > 0 ? elsewhere * work_of_late(work, s) : 0;
  if (!(queued > 0)) return out;
  const TideLengths mean{static_cast<double>(d.queued_tokens) / queued,
                         static_cast<double>(d.queued_output_tokens) / queued,
                         static_cast<double>(d.queued_kv_token_steps) / queued, queued};
  const bool told = mean.output_tokens > 0;
  return out + queued * (told ? work(moments_of(mean)) : work_of_late(work, s));
}

}  // namespace tidegate::policy
