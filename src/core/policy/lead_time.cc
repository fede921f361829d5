#include "core/policy/lead_time.h"

#include <algorithm>

#include "core/spec/expected_start.h"

namespace tidegate::policy {

namespace {
constexpr double kPriorStarts = 2;
constexpr Duration kLongestLead = seconds(6 * 3'600);
constexpr std::int64_t kLateStarts = 2;
/// A few seconds more or less are no sign of anything.
constexpr Duration kLeastDeadline = seconds(30);

/// What was measured, and what the spec says: worth kPriorStarts of them. 0: nothing is known.
double blended(double prior_seconds, std::int64_t measured, double p90_seconds) {
  if (measured <= 0 || !(p90_seconds > 0)) return prior_seconds;
  const auto starts = static_cast<double>(measured);
  const double prior = prior_seconds > 0 ? kPriorStarts : 0;
  return (prior_seconds * prior + p90_seconds * starts) / (prior + starts);
}

Duration bounded(double lead_seconds) {
  return std::clamp(seconds_f(lead_seconds), kLeastLead, kLongestLead);
}

double start_seconds(const spec::Variant& variant, const signal::VariantObservation* seen) {
  // Nothing is there yet.
  const spec::ExpectedTime said =
      spec::expected_start(variant.cold_start, {.node_exists = 0}).total;
  const double prior = to_seconds(said.p90);
  return seen == nullptr ? prior : blended(prior, seen->cold_starts, seen->cold_start_p90_seconds);
}
}  // namespace

Duration lead_time(const spec::Variant& variant, const signal::VariantObservation* seen) {
  return bounded(start_seconds(variant, seen));
}

Duration wake_time(const spec::Variant& variant, const signal::VariantObservation* seen) {
  const std::optional<spec::ExpectedStart> wake = spec::expected_wake(variant);
  const double prior = wake ? to_seconds(wake->total.p90) : 0;
  return bounded(seen == nullptr ? prior : blended(prior, seen->wakes, seen->wake_p90_seconds));
}

std::optional<Duration> start_deadline(const spec::Variant& variant,
                                       const signal::VariantObservation& seen) {
  const double known = start_seconds(variant, &seen);
  if (!(known > 0)) return std::nullopt;
  return std::max(kLeastDeadline, bounded(known) * kLateStarts);
}

}  // namespace tidegate::policy
