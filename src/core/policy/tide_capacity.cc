#include "core/policy/tide_capacity.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
/// A share of the way a sample, one a second: five minutes decide.
constexpr double kStepGain = 0.003;
/// A reading that far from what is believed is nobody's step time.
constexpr double kWildest = 5;
/// Half a minute of readings, one a second.
constexpr double kMeanGain = 1.0 / 30;
constexpr double kMostReported = 1e9;
/// Hardware differs from its profile by this much at most.
constexpr double kLeastDecode = 0.5, kMostDecode = 3, kLeastPrefill = 0.05, kMostPrefill = 3;
/// Means of lengths hide their spread: log-normal prompts hold two or three times as much.
constexpr double kLeastHeld = 0.5, kMostHeld = 4;
/// Something of every prompt is computed: its last token and what is not a whole block.
constexpr double kMostHits = 0.98;
/// The longest prompts of a model are so much longer than the mean one.
constexpr double kLongPrompt = 4;
/// Lengths of a chat are about log-normal: the mean of the square of prompts is twice the square of
/// their mean, and so is the mean of one over answers that of one over their mean: short answers
/// average over few steps.
constexpr double kPromptSpread = 2, kAnswerSpread = 2;
/// No bound is left less than this of itself.
constexpr double kLeastBound = 0.3;
/// One request is worth no more usual ones than this.
constexpr double kMostWork = 1'000;
/// Below it an engine may have idled for a part of the second.
constexpr double kLeastBatch = 4;

/// As engines hold them.
engine::LengthMoments held_so(engine::LengthMoments moments, double held) {
  moments.prompt_output = std::max(0.0, held * held_steps(moments) - moments.output_squared / 2);
  return moments;
}

engine::Profile corrected(const engine::Profile& profile, const TideVariant& learned) {
  auto times = [](std::int64_t coefficient, double factor) {
    return static_cast<std::int64_t>(static_cast<double>(coefficient) * factor);
  };
  engine::Profile out;
  out.c0_fs = times(profile.c0_fs, learned.decode);
  const double prefill = learned.prefill * (1 - learned.hits);
  out.c1_fs = times(profile.c1_fs, prefill);
  out.c2_fs = times(profile.c2_fs, learned.decode);
  out.c3_fs = times(profile.c3_fs, learned.decode);
  out.c4_fs = times(profile.c4_fs, prefill);
  out.kv_tokens = profile.kv_tokens;
  return out;
}

/// What a rank of this variant reports, averaged: the batch is one look at what wanders, and within
/// a second it goes with the prompts that came in it; over half a minute it does not.
bool read_means(const spec::Variant& variant, const signal::VariantObservation& seen,
                TideVariant& learned) {
  const double ranks =
      static_cast<double>(seen.fleet.ready.value()) *
      static_cast<double>(std::max<std::int64_t>(1, variant.engine.data_parallel_size));
  if (ranks < 1 || !seen.running_requests.complete() || !seen.output_tokens_per_second.complete() ||
      !seen.prompt_tokens_per_second.complete() || !seen.kv_usage.complete()) {
    return false;
  }
  const double batch = seen.running_requests.value / ranks;
  const double output = seen.output_tokens_per_second.value / ranks;
  const double whole = seen.prompt_tokens_per_second.value / ranks;
  double hits = 0;
  if (seen.prefix_hit_tokens_per_second.complete() &&
      seen.prefix_query_tokens_per_second.complete() &&
      seen.prefix_query_tokens_per_second.value > 0) {
    hits = std::clamp(
        seen.prefix_hit_tokens_per_second.value / seen.prefix_query_tokens_per_second.value, 0.0,
        kMostHits);
  }
  const double prompt = whole * (1 - hits);
  const double kv = seen.kv_usage.value * static_cast<double>(variant.profile.kv_tokens);
  const bool sane = batch >= 0 && batch < kMostReported && output >= 0 && output < kMostReported &&
                    prompt >= 0 && prompt < kMostReported && seen.kv_usage.value >= 0 &&
                    seen.kv_usage.value <= 1;
  if (!sane) return false;
  if (learned.batch <= 0) {
    learned.batch = batch;
    learned.output = output;
    learned.prompt = prompt;
    learned.hits = hits;
    learned.kv = kv;
  }
  learned.batch += kMeanGain * (batch - learned.batch);
  learned.output += kMeanGain * (output - learned.output);
  learned.prompt += kMeanGain * (prompt - learned.prompt);
  learned.kv += kMeanGain * (kv - learned.kv);
  if (whole > 0) learned.hits += kMeanGain * (hits - learned.hits);
  return learned.batch >= kLeastBatch && learned.output > 0 && learned.kv > 0;
}

/// A second of one rank was spent on decode and on prefill: how long, by the profile?
void learn_one(const spec::Variant& variant, const engine::LengthMoments& lengths,
               TideVariant& learned) {
  const engine::Profile& p = variant.profile;
  const double second = 1e-15 * variant.hardware.interference;
  const double holds = learned.kv / learned.batch, steps = learned.output / learned.batch;
  const double decode =
      second *
      (steps * static_cast<double>(p.c0_fs) +
       learned.output * (static_cast<double>(p.c2_fs) + static_cast<double>(p.c3_fs) * holds));
  const double prefill =
      second * learned.prompt *
      (static_cast<double>(p.c1_fs) + static_cast<double>(p.c4_fs) * lengths.prompt / 2);
  const double believed = learned.decode * decode + learned.prefill * prefill;
  const double held = learned.held * engine::held_tokens(lengths);
  if (!(believed > 1 / kWildest) || believed > kWildest || !(held > 0)) return;
  if (holds <= kWildest * held && holds >= held / kWildest) {
    learned.held =
        std::clamp(learned.held * (1 + kStepGain * (holds / held - 1)), kLeastHeld, kMostHeld);
  }
  const double power = decode * decode + prefill * prefill;
  const double step = kStepGain * (1 - believed) / power;
  learned.decode = std::clamp(learned.decode + step * decode, kLeastDecode, kMostDecode);
  learned.prefill = std::clamp(learned.prefill + step * prefill, kLeastPrefill, kMostPrefill);
}
/// While a request decodes, as many prompts come to its replica as it holds sequences, give or take
/// the root of that; each stretches one step. What that adds to the mean step of its life, at the
/// share aimed at, is taken off the bound.
double unpooled(const spec::Model& model, const spec::Variant& variant,
                const engine::Profile& profile, const engine::LengthMoments& moments,
                const engine::Capacity& full, double share) {
  const double each = moments.prompt * 1e-15 * variant.hardware.interference *
                      (static_cast<double>(profile.c1_fs) +
                       static_cast<double>(profile.c4_fs) * moments.prompt / 2);
  const double ranks =
      static_cast<double>(std::max<std::int64_t>(1, variant.engine.data_parallel_size));
  const double luck = normal_quantile(share) * each *
                      std::sqrt(kPromptSpread * kAnswerSpread * full.sequences / ranks) /
                      moments.output;
  engine::CapacityLimits tight = engine::limits_of(model, variant);
  const double bound = to_seconds(tight.itl);
  tight.itl = seconds_f(std::max(kLeastBound * bound, bound - luck));
  const double left = engine::capacity_of(profile, tight, moments).requests_per_second;
  return left > 0 ? std::max(0.0, full.requests_per_second / left - 1) : 0;
}
}  // namespace

double slo_share(const spec::Model& model) {
  double share = 0;
  for (const auto* bound : {&model.slo.ttft, &model.slo.itl, &model.slo.e2e}) {
    if (*bound) share = std::max(share, (*bound)->percentile);
  }
  return share > 0 ? std::clamp(share, 0.5, 0.9999) : 0.99;
}

TideCapacity tide_capacity(const spec::Model& model, const spec::Variant& variant,
                           const TideVariant& learned, const engine::LengthMoments& lengths,
                           double share) {
  const engine::LengthMoments moments = held_so(lengths, learned.held);
  const engine::Profile profile = corrected(variant.profile, learned);
  const engine::Capacity c =
      engine::capacity_of(profile, engine::limits_of(model, variant), moments);
  TideCapacity out;
  // An absurd profile still has a rate: the decision stays within bounds whatever it is.
  out.requests_per_second = std::clamp(c.requests_per_second, 1e-6, 1e9);
  out.sequences = std::max(1.0, c.sequences);
  out.service_seconds = out.sequences / out.requests_per_second;
  out.binding = c.binding;
  // Also where something else binds first, but not by much.
  if (model.slo.itl) out.unpooled = unpooled(model, variant, profile, moments, c, share);
  if (c.binding == engine::Binding::kItl) return out;
  const double allowed =
      model.slo.ttft ? to_seconds(model.slo.ttft->bound) : to_seconds(model.queue.max_wait);
  const double own = c.step_seconds + kLongPrompt * moments.prompt * 1e-15 *
                                          variant.hardware.interference *
                                          static_cast<double>(profile.c1_fs);
  out.wait_seconds = std::max(0.0, allowed - own);
  return out;
}

double held_steps(const engine::LengthMoments& lengths) {
  return engine::held_tokens(lengths) * lengths.output;
}

TideWork::TideWork(const spec::Model& model, const spec::Variant& variant,
                   const TideVariant& learned, const engine::LengthMoments& usual)
    : profile_(corrected(variant.profile, learned)),
      limits_(engine::limits_of(model, variant)),
      held_(learned.held),
      usual_(sustained(usual)) {}

double TideWork::sustained(const engine::LengthMoments& lengths) const {
  return engine::capacity_of(profile_, limits_, held_so(lengths, held_)).requests_per_second;
}

double TideWork::operator()(const engine::LengthMoments& lengths) const {
  const double own = sustained(lengths);
  if (!(own > 0) || !(usual_ > 0)) return 1;
  return std::clamp(usual_ / own, 1 / kMostWork, kMostWork);
}

void learn_capacity(const Input& in, const engine::LengthMoments& lengths, TideState& state) {
  state.variants.resize(in.model.variants.size());
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    TideVariant& learned = state.variants[i];
    const signal::VariantObservation* seen = seen_of(in.model, in.seen, i);
    const std::int64_t ready = seen == nullptr ? 0 : seen->fleet.ready.value();
    const bool steady = ready == learned.ready;
    learned.ready = ready;
    if (seen == nullptr || !steady || lengths.output < 1) continue;
    if (in.model.scaling.tide_without == spec::TidePart::kLearning) continue;
    const spec::Variant& variant = in.model.variants[i];
    if (read_means(variant, *seen, learned)) learn_one(variant, lengths, learned);
  }
}

}  // namespace tidegate::policy
