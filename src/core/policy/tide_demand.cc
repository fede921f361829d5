#include "core/policy/tide_demand.h"

#include <algorithm>
#include <cmath>

#include "core/policy/tide_engines.h"

namespace tidegate::policy {

namespace {
/// Requests that make a mean length: its error is then about 5 % where lengths are spread as usual;
/// and at least as long as the slow mean of the rate looks back, as like requests come together.
constexpr double kLengthMemory = 500, kLengthWindows = 15;
/// What simulate and load fall back on, too.
constexpr engine::Lengths kUsualLengths{1'000, 200};
/// Fewer say nothing of a mean.
constexpr double kLeastRequests = 1e-6;
constexpr double kDispersionGain = 1.0 / 60;
constexpr double kLeastDispersion = 0.5, kMostDispersion = 100;
/// A pair of bins counts for this much at most: a level that jumps is no dispersion.
constexpr double kWildestPair = 25;
/// Of a total between two readings, at most ten minutes apart.
constexpr double kMostGrowth = 1e12;
/// After a gap so long the time before says nothing of the rate now.
constexpr Duration kLongestGap = seconds(600);

void keep_totals(const signal::Demand& d, TideState& s) {
  s.arrived_total = d.arrived_total;
  s.prompt_total = d.prompt_tokens_total;
  s.finished_total = d.finished_total;
  s.output_total = d.output_tokens_total;
}

std::optional<Arrived> from_gateway(const signal::Demand& d, TideState& s) {
  Arrived out{.requests = static_cast<double>(d.arrived_total - s.arrived_total),
              .prompt_tokens = static_cast<double>(d.prompt_tokens_total - s.prompt_total),
              .output_tokens = static_cast<double>(d.output_tokens_total - s.output_total),
              .finished = static_cast<double>(d.finished_total - s.finished_total)};
  out.prompts = out.requests;
  keep_totals(d, s);
  for (const double grown : {out.requests, out.prompt_tokens, out.finished, out.output_tokens}) {
    if (grown < 0 || grown > kMostGrowth) return std::nullopt;  // begun anew, or nonsense
  }
  return out;
}

void fold(double sum, double requests, double memory, double& mean, double& weight) {
  if (!(requests > 0) || !(sum > 0)) return;
  weight = std::min(memory, weight + requests);
  mean += (sum / requests - mean) * std::min(1.0, requests / weight);
}

/// Tokens come all the time, ends now and then: a mean of sums, not of ratios.
void fold_sums(double tokens, double requests, double memory, double& mean, double& weight) {
  const double sum = mean * weight + tokens, all = weight + requests;
  if (!(all > kLeastRequests)) return;
  mean = sum / all;
  weight = std::min(memory, all);
}

std::optional<TideBin> close_bin(Instant now, TideState& s) {
  const Duration length = now - s.bin_began;
  const double elapsed = to_seconds(length), rate = s.bin_requests / elapsed;
  if (s.bin_rate >= 0) {
    const double mean = std::max((rate + s.bin_rate) / 2 * elapsed, 1.0);
    const double change = (rate - s.bin_rate) * elapsed;
    const double sample = std::min(change * change / 2 / mean, kWildestPair * s.dispersion);
    s.dispersion = std::clamp(s.dispersion + kDispersionGain * (sample - s.dispersion),
                              kLeastDispersion, kMostDispersion);
  }
  s.bin_rate = rate;
  s.bin_requests = 0;
  s.bin_began = now;
  ++s.bins;
  return TideBin{rate, length};
}

void begin(const Input& in, TideState& s) {
  if (s.began.is_never()) s.began = in.now;
  s.read_at = s.bin_began = s.last_arrival = in.now;
  s.bin_requests = 0;
  s.bin_rate = -1;
  keep_totals(in.seen.demand, s);
  if (!gateway_known(in.seen)) begin_with_engines(in, s);
}
}  // namespace

bool demand_known(const Input& in) {
  if (!in.seen.gateway.absent()) return in.seen.gateway.complete();
  return engines_known(in);
}

std::optional<TideBin> read_demand(const Input& in, Duration lead, TideState& s) {
  s.tick_requests = s.tick_seconds = 0;
  if (!demand_known(in)) {
    s.read_at = Instant::never();  // what comes next is compared with itself alone
    return std::nullopt;
  }
  const bool goes_on =
      !s.read_at.is_never() && in.now > s.read_at && in.now - s.read_at <= kLongestGap;
  if (!goes_on && in.now == s.read_at) return std::nullopt;
  const double elapsed = goes_on ? to_seconds(in.now - s.read_at) : 0;
  std::optional<Arrived> arrived;
  if (goes_on) {
    arrived =
        gateway_known(in.seen) ? from_gateway(in.seen.demand, s) : from_engines(in, elapsed, s);
  }
  if (!arrived) {
    begin(in, s);
    return std::nullopt;
  }
  s.read_at = in.now;
  s.tick_requests = arrived->requests;
  s.tick_seconds = elapsed;
  if (arrived->requests > 0) s.last_arrival = in.now;
  const double memory =
      std::max(kLengthMemory, s.slow * kLengthWindows * to_seconds(in.model.scaling.window));
  if (gateway_known(in.seen)) {
    fold(arrived->prompt_tokens, arrived->prompts, memory, s.prompt_tokens, s.prompt_weight);
  } else {
    fold_sums(arrived->prompt_tokens, arrived->prompts, memory, s.prompt_tokens, s.prompt_weight);
  }
  fold_sums(arrived->output_tokens, arrived->finished, memory, s.output_tokens, s.output_weight);
  s.fast += (arrived->requests / elapsed - s.fast) * elapsed / (elapsed + s.fast_seconds);
  s.bin_peak = std::max(s.bin_peak, s.fast);
  s.bin_requests += arrived->requests;
  const double least = to_seconds(in.model.scaling.window) / 4;
  if (to_seconds(in.now - s.bin_began) + 1e-6 <
      std::max(least, to_seconds(lead) / static_cast<double>(kTideBins))) {
    return std::nullopt;
  }
  return close_bin(in.now, s);
}

engine::Lengths lengths_of(const TideState& state) {
  engine::Lengths out = kUsualLengths;
  if (state.prompt_weight > 0) out.prompt_tokens = std::max(1.0, state.prompt_tokens);
  if (state.output_weight >= 1) out.output_tokens = std::max(1.0, state.output_tokens);
  return out;
}

}  // namespace tidegate::policy
