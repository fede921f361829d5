#pragma once
// What one replica of a variant sustains within the SLO, as tide sees it. Internal to core/policy.
//
// core/engine/capacity.h over the variant's profile at the mean lengths seen, with three factors
// learned from what engines report. Means of half a minute: the steps and tokens of a second are
// what it was spent on, decode and prefill (normalised least mean squares); KV in use over
// sequences is what one holds. Guards: only fresh readings of every ready replica, none just come
// or gone, nothing beyond kWildest times what is believed, every factor bounded. So one wrong
// reading moves a factor by a few thousandths, and a thousand of them no further than the bound.
// Requests a second, seconds, tokens. Thread-safety: functions.

#include "core/engine/capacity.h"
#include "core/policy/laws.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

struct TideCapacity {
  double requests_per_second = 0;  ///< of a replica that is full within the SLO; > 0
  double sequences = 1;            ///< it holds then
  double service_seconds = 1;      ///< of a request then
  /// A request may wait so long for its place; 0 where the ITL bound says how many there may be:
  /// the router would let more in.
  double wait_seconds = 0;
  engine::Binding binding = engine::Binding::kSequences;
  /// Where the ITL bound binds: so much more capacity, as a share, keeps the prompts that happen to
  /// come during a request from slowing it past the bound. Each replica has its own luck: this does
  /// not shrink as the fleet grows.
  double unpooled = 0;
};

/// The largest share of requests that a latency bound of the SLO asks for; 0.99 without any.
double slo_share(const spec::Model& model);

/// Within the bounds for `share` of the requests.
TideCapacity tide_capacity(const spec::Model& model, const spec::Variant& variant,
                           const TideVariant& learned, const engine::LengthMoments& lengths,
                           double share);

/// One request of some lengths, as so many of the usual ones: what it takes of a replica.
class TideWork {
 public:
  TideWork(const spec::Model& model, const spec::Variant& variant, const TideVariant& learned,
           const engine::LengthMoments& usual);
  double operator()(const engine::LengthMoments& lengths) const;

 private:
  double sustained(const engine::LengthMoments& lengths) const;

  engine::Profile profile_;
  engine::CapacityLimits limits_;
  double held_, usual_;
};

/// KV tokens that a request holds, summed over the steps of its answer.
double held_steps(const engine::LengthMoments& lengths);

/// Moves the factors of every variant by what its engines report.
void learn_capacity(const Input& in, const engine::LengthMoments& lengths, TideState& state);

}  // namespace tidegate::policy
