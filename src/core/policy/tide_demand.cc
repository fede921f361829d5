#include "core/policy/tide_demand.h"

#include <algorithm>
#include <cmath>

#include "core/policy/tide_engines.h"
#include "core/policy/tide_work.h"

namespace tidegate::policy {

namespace {
/// Lengths of late are those that the slow mean of the rate looks back on, too, as like requests
/// come together: so many windows.
constexpr double kLengthWindows = 15;
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
  s.output_total = d.expected_output_tokens_total;
  s.kv_total = d.expected_kv_token_steps_total;
}

std::optional<Arrived> from_gateway(const signal::Demand& d, TideState& s) {
  Arrived out{.requests = static_cast<double>(d.arrived_total - s.arrived_total),
              .prompt_tokens = static_cast<double>(d.prompt_tokens_total - s.prompt_total),
              .output_tokens = static_cast<double>(d.expected_output_tokens_total - s.output_total),
              .kv_token_steps = static_cast<double>(d.expected_kv_token_steps_total - s.kv_total)};
  keep_totals(d, s);
  if (out.kv_token_steps < 0) out.kv_token_steps = 0;
  // Unknown is not zero.
  if (out.output_tokens > 0) out.counted = out.requests;
  for (const double grown : {out.requests, out.prompt_tokens, out.output_tokens}) {
    if (grown < 0 || grown > kMostGrowth) return std::nullopt;  // begun anew, or nonsense
  }
  return out;
}

/// No request holds more KV than a replica has: a longer prompt is refused by the engine.
void bound_tokens(const spec::Model& model, Arrived& came) {
  std::int64_t largest = 0;
  for (const spec::Variant& v : model.variants) largest = std::max(largest, v.profile.kv_tokens);
  const double most = static_cast<double>(std::max<std::int64_t>(1, largest));
  came.prompt_tokens = std::min(came.prompt_tokens, came.requests * most);
  came.output_tokens = std::min(came.output_tokens, came.requests * most);
  came.kv_token_steps = std::min(came.kv_token_steps, came.output_tokens * most);
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

double mean_gain(const TideBin& bin, double memory_seconds, const TideState& s) {
  const double elapsed = to_seconds(bin.length);
  const double age = static_cast<double>(s.bins) * elapsed;
  return std::max(elapsed / (elapsed + memory_seconds), elapsed / std::max(elapsed, age));
}

bool demand_known(const Input& in) {
  if (!in.seen.gateway.absent()) return in.seen.gateway.complete();
  return engines_known(in);
}

std::optional<TideBin> read_demand(const Input& in, Duration lead, const TideWork& work,
                                   TideState& s) {
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
  const bool told = gateway_known(in.seen);
  if (told) bound_tokens(in.model, *arrived);
  s.tick_requests =
      told ? worth(elapsed, work, *arrived, s) : arrived->requests * work_of_late(work, s);
  s.tick_seconds = elapsed;
  if (arrived->requests > 0) s.last_arrival = in.now;
  learn_lengths(*arrived, kLengthWindows * to_seconds(in.model.scaling.window), s);
  s.fast += (s.tick_requests / elapsed - s.fast) * elapsed / (elapsed + s.fast_seconds);
  s.bin_peak = std::max(s.bin_peak, s.fast);
  s.bin_requests += s.tick_requests;
  const double least = to_seconds(in.model.scaling.window) / 4;
  if (to_seconds(in.now - s.bin_began) + 1e-6 <
      std::max(least, to_seconds(lead) / static_cast<double>(kTideBins))) {
    return std::nullopt;
  }
  return close_bin(in.now, s);
}

}  // namespace tidegate::policy
