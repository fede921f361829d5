// tide: capacity ordered for the moment it will be ready.
//
//   demand    arrivals at the gateway, forecast one lead time ahead (tide_demand.h,
//             tide_forecast.h)
//   capacity  what a replica sustains within the SLO at the lengths seen, learned (tide_capacity.h)
//   up        the forecast and its margins (tide_staffing.h) over that capacity; more where what will
//             wait by then, after all that is on its way, would not be cleared within one lead time
//             more (tide_fleet.h). Any number at once. A number is absolute: pending counts
//   down      only to what would carry the most that is expected until a replica could be back and
//             have paid for that (two lead times), with the wobble of the mean on top, and what
//             engines hold now. Between the two the number stays
//   asleep    where sleepers are cheap, what only a cold start from now may need sleeps (tide_pool.h)
//   tripwire  utilisation confirms: preemptions, KV or TTFT out of bounds on replicas that are full,
//             nothing on its way: a tenth more, at least one, once a lead time
//
// Partial or stale data holds or raises. Zero is asked for where the gateway saw nothing for a lead
// time (and `window`): idling longer costs more than the start it saves.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/policy/laws.h"
#include "core/policy/mix.h"
#include "core/policy/tide_capacity.h"
#include "core/policy/tide_credit.h"
#include "core/policy/tide_demand.h"
#include "core/policy/tide_engines.h"
#include "core/policy/tide_fleet.h"
#include "core/policy/tide_forecast.h"
#include "core/policy/tide_mix.h"
#include "core/policy/tide_pool.h"
#include "core/policy/tide_staffing.h"
#include "core/policy/tide_trend.h"
#include "core/policy/tide_trip.h"
#include "core/policy/tide_work.h"
#include "core/spec/cron.h"

namespace tidegate::policy {

namespace {
/// Deviations of the mean. More is ordered where the mean is higher by more than chance easily is
/// (one time in four), and less only where it would be too high by more than chance ever is (one
/// time in five hundred): with three and a half between the two, noise orders less than one change
/// an hour.
constexpr double kEvident = 0.6, kWobbles = 2.9;
constexpr double kTripStep = 0.1;
/// A profile is not expected to be nearer than this, and cheap prefill is no harm.
constexpr double kDrift = 1.25;
/// The rate of the last seconds is looked at over as many as a request may wait: shorter bursts do
/// no harm.
constexpr double kLeastFast = 8, kMostFast = 60;
/// A backlog that is gone within so many seconds need not go faster.
constexpr double kNoticed = 5;

/// All that the parts say of this instant.
struct Tide {
  std::vector<std::size_t> order;  ///< variants, the cheapest per sustained request first
  std::size_t first = 0;           ///< the one that grows next
  Duration lead{0};
  Duration usual{0};  ///< the lead time as starts usually take
  Duration soon{0};   ///< what more is awake by then sleeps now; `usual` where none does
  bool wakes = false;
  double spent = 0;  ///< of the error budget
  std::vector<TideCapacity> each;
  std::vector<double> sustains;              ///< requests/s of one replica of each
  std::optional<TideWork> work;              ///< of `first`
  TideOutlook ahead, later, there, present;  ///< `lead`, twice that, `usual` from now, and now
  double margin = 0;                         ///< on what is ahead
};

/// What a miss costs against an idle replica, or the SLO's own share with what of its error budget
/// is left.
void aim(const Input& in, TideState& s, Tide& t) {
  const spec::Slo& slo = in.model.slo;
  s.share = slo_share(in.model);
  t.spent = budget_spent(t.usual, s.share, s);
  if (slo.miss_cost_dollars && *slo.miss_cost_dollars > 0) {
    const double saved = *slo.miss_cost_dollars * t.each[t.first].requests_per_second * 3'600;
    const double cost = in.model.variants[t.first].cost_per_hour_dollars;
    s.share = std::clamp(1 - cost / std::max(saved, 1e-9), 0.5, 0.9999);
  } else if (in.model.scaling.tide_without != spec::TidePart::kLearning) {
    s.share = aimed_share(t.usual, s.share, s);
  }
}

void order_variants(const Input& in, Tide& t) {
  for (const TideCapacity& one : t.each) t.sustains.push_back(one.requests_per_second);
  t.order = cheapest_first(in.model, t.sustains);
  t.first = t.order.back();
  for (std::size_t i : t.order) {
    if (fleet_of(in.model, in.seen, i).active() >= in.model.variants[i].max_replicas) continue;
    t.first = i;
    return;
  }
}

double staffed(const Tide& t, const TideState& s, double rate, double error, double dispersion) {
  const TideCapacity& first = t.each[t.first];
  const double own = rate * first.unpooled * s.luck;
  return staffed_rate({.rate = rate,
                       .error = std::sqrt(error * error + own * own),
                       .dispersion = dispersion,
                       .chance = s.luck,
                       .service_seconds = first.service_seconds,
                       .wait_seconds = first.wait_seconds,
                       .share = s.share});
}

std::vector<std::int64_t> fill_rate(const Input& in, const Tide& t, double rate) {
  return cheapest_mix(in.model, t.sustains, t.order, rate);
}

/// To at least `replicas` of all variants, the mix otherwise as it is.
void raise(ReasonCode code, std::int64_t replicas, std::vector<Evidence> evidence, const Tide& t,
           Draft& draft) {
  if (replicas <= draft.asked()) return;
  std::vector<std::int64_t> counts = draft.counts();
  counts[t.first] += replicas - draft.asked();
  draft.repeat(code, counts, std::move(evidence));
}

std::vector<std::int64_t> largest_of(std::vector<std::int64_t> a,
                                     const std::vector<std::int64_t>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) a[i] = std::max(a[i], b[i]);
  return a;
}

std::int64_t floors(const spec::Model& model) {
  std::int64_t total = 0;
  for (const spec::Variant& v : model.variants) total += spec::min_replicas(model, v).value();
  return total;
}

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (std::int64_t n : counts) total += n;
  return total;
}

std::vector<Evidence> evidence(const Input& in, const Tide& t, const TideState& s, double rate,
                               double wanted) {
  const TideCapacity& first = t.each[t.first];
  Label capacity = "sequences_bound_requests_per_second";
  if (first.binding == engine::Binding::kKv) capacity = "kv_bound_requests_per_second";
  if (first.binding == engine::Binding::kItl) capacity = "itl_bound_requests_per_second";
  if (first.binding == engine::Binding::kBatchedTokens)
    capacity = "batch_bound_requests_per_second";
  std::vector<Evidence> out{forecast_of(t.ahead, s),
                            {"burst_requests_per_second", t.ahead.burst},
                            {"rise_requests_per_second", t.ahead.said - t.present.said},
                            {"believed_rise_ratio", believed_trend(s)},
                            {"forecast_margin_requests_per_second", t.margin},
                            {"staffed_rate_requests_per_second", wanted},
                            {"expected_rate_requests_per_second", rate},
                            {"work_per_request_ratio", work_of_late(*t.work, s)},
                            {"slo_share", s.share},
                            {"lead_time_seconds", to_seconds(t.lead)},
                            {capacity, first.requests_per_second},
                            {"learned_decode_ratio", s.variants[t.first].decode},
                            {"learned_prefill_ratio", s.variants[t.first].prefill},
                            {"learned_kv_ratio", s.variants[t.first].held},
                            {"learned_capacity_ratio", s.credit},
                            {"learned_chance_ratio", s.luck},
                            {"learned_miss_ratio", miss_trust(t.usual, s.share, s)},
                            {"error_budget_spent_ratio", t.spent}};
  std::vector<Evidence> why = why_forecaster(in, t.usual, s.share, s);
  out.insert(out.end(), std::make_move_iterator(why.begin()), std::make_move_iterator(why.end()));
  return out;
}

Tide look(const Input& in, TideState& s) {
  Tide t;
  book_orders(in, s);
  const engine::LengthMoments usual = moments_of(s.usual);
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    t.each.push_back(tide_capacity(in.model, in.model.variants[i], s.variants[i], usual, s.share));
  }
  double ready = 0;
  for (std::size_t i = 0; i < t.each.size(); ++i) {
    double& each = t.each[i].requests_per_second;
    ready += static_cast<double>(fleet_of(in.model, in.seen, i).ready.value()) * each;
    if (in.model.scaling.tide_without != spec::TidePart::kLearning) each *= s.credit;
  }
  order_variants(in, t);
  t.work.emplace(in.model, in.model.variants[t.first], s.variants[t.first], usual);
  s.fast_seconds = std::clamp(t.each[t.first].wait_seconds, kLeastFast, kMostFast);
  t.lead = in.model.scaling.tide_without == spec::TidePart::kLeadTime ? kLeastLead
                                                                      : lead_time(in, t.first);
  t.usual = std::min(t.lead, usual_lead(in, t.first));
  t.wakes = dozes(in, t.first) && fleet_of(in.model, in.seen, t.first).sleeping.value() > 0 &&
            wake_time(in, t.first) < t.usual;
  t.soon = t.wakes ? wake_time(in, t.first) : t.usual;
  const std::optional<TideBin> bin = read_demand(in, t.lead, *t.work, s);
  learn_capacity(in, lengths_now(s), s);
  const TideCapacity& first = t.each[t.first];
  aim(in, s, t);
  watch_burst(in, s);
  play_ways(in, first.service_seconds, first.wait_seconds, s);
  play_credits(in, ready, first.service_seconds, first.wait_seconds, s);
  if (bin) {
    learn_credit(*bin, ready, s.share, s);
    const auto least = static_cast<double>(floors(in.model));
    auto sustained = [&](double rate, double margin) {
      const double replicas =
          whole_replicas(staffed(t, s, rate, margin, s.dispersion) / first.requests_per_second);
      return std::max(replicas, least) * first.requests_per_second;
    };
    forecast_bin(in, *bin, t.usual, s.share, sustained, s);
  }
  const double burst = burst_now(in, s);
  t.ahead = outlook(in, t.lead, burst, s);
  t.later = outlook(in, t.lead * 2, burst, s);
  t.there = outlook(in, t.usual, burst, s);
  t.present = outlook(in, Duration(0), burst, s);
  t.margin = margin(t.ahead, s);
  return t;
}

void ask_forecast(const Input& in, const Tide& t, const TideState& s, Draft& draft) {
  std::vector<std::int64_t> active;
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    active.push_back(fleet_of(in.model, in.seen, i).active().value());
  }
  const double rate = std::max(t.ahead.rate, t.ahead.burst);
  // A burst is more than chance and forecasts explain: neither a margin for errors nor the
  // dispersion that it is a part of comes on top of it; requests within it come by chance.
  const double evident = std::max(0.0, t.ahead.rate - kEvident * t.ahead.level_error);
  const double wanted =
      std::max(staffed(t, s, evident, t.margin, s.dispersion), staffed(t, s, t.ahead.burst, 0, 1));
  const std::vector<std::int64_t> up = fill_rate(in, t, wanted);
  draft.repeat(ReasonCode::kForecast, up, evidence(in, t, s, rate, wanted));
  const double most = std::max({t.ahead.rate, t.later.rate, t.present.rate, t.ahead.burst}) +
                      kWobbles * t.present.level_error;
  const double kept = staffed(t, s, most, margin(t.later, s), s.dispersion);
  std::vector<std::int64_t> down = fill_rate(in, t, kept);
  for (std::size_t i = 0; i < down.size(); ++i) down[i] = std::min(down[i], active[i]);
  const std::vector<std::int64_t> stay = largest_of(up, down);
  if (sum(stay) > draft.asked()) {
    draft.repeat(
        ReasonCode::kReacquirePrice, stay,
        {{"kept_for_requests_per_second", kept}, {"over_seconds", 2 * to_seconds(t.lead)}});
  }
}

/// What the next seconds need is awake; of the rest as much as there is asleep sleeps.
void doze(const Input& in, const Tide& t, const TideState& s, Draft& draft) {
  if (!t.wakes) return;
  const TideOutlook near = at_hand(in, s);
  const double wanted =
      std::max(staffed(t, s, near.rate, kWobbles * near.level_error, s.dispersion),
               staffed(t, s, near.burst, 0, 1));
  const std::vector<std::int64_t> least = fill_rate(in, t, wanted);
  std::vector<std::int64_t> awake = draft.counts();
  for (std::size_t i = 0; i < awake.size() && i < least.size(); ++i) {
    if (!dozes(in, i)) continue;
    const std::int64_t asleep = fleet_of(in.model, in.seen, i).sleeping.value();
    awake[i] = std::min(awake[i], std::max(least[i], awake[i] - asleep));
  }
  if (sum(awake) >= draft.asked()) return;
  draft.repeat(ReasonCode::kWarmPool, awake,
               {{"rate_requests_per_second", std::max(near.rate, near.burst)},
                {"staffed_rate_requests_per_second", wanted},
                {"wake_seconds", to_seconds(t.soon)}});
}

void ask_backlog(const Input& in, const Tide& t, const TideState& s, Draft& draft) {
  const TideOutlook near = t.wakes ? at_hand(in, s) : t.present;
  const double now = std::max(near.rate, t.wakes ? near.burst : t.there.burst);
  const double rate = t.wakes ? now : std::max(now, t.there.rate);
  const double queue = backlog_at(in, t.each, *t.work, now, rate, t.soon, s);
  const double allowed = rate * t.each[t.first].wait_seconds;
  if (queue <= std::max(1.0, allowed)) return;
  const double lead = to_seconds(t.soon);
  const double wait = t.each[t.first].wait_seconds;
  // More capacity clears it sooner and idles longer; a request late costs share / (1 - share) times
  // what it costs to hold room for one. The sum is least at the root; never slower than a lead
  // time, nor faster than anybody notices.
  const double held = lead + to_seconds(spec::scale_down_delay(in.model.scaling));
  const double beyond = queue - allowed;
  const double best =
      std::sqrt(rate / work_now(*t.work, s) * beyond * s.share / (1 - s.share) / held);
  const double slowest = beyond / (lead + wait), fastest = beyond / std::max(wait, kNoticed);
  const double wanted = rate + std::clamp(best, slowest, std::max(slowest, fastest));
  const std::vector<std::int64_t> counts = largest_of(draft.counts(), fill_rate(in, t, wanted));
  if (sum(counts) <= draft.asked()) return;
  draft.repeat(ReasonCode::kBacklog, counts,
               {{"backlog_requests", queue},
                {"waiting_requests", signal::waiting_requests(in.seen).value},
                {"rate_requests_per_second", rate},
                {"lead_time_seconds", lead}});
}

void trip(const Input& in, const Tide& t, TideState& s, Draft& draft) {
  if (in.now >= s.tripped_until && draft.active() == draft.ready() && draft.ready() > 0) {
    if (!tripped(in, t.each, *t.work, std::max(t.present.rate, s.fast), s).empty()) {
      s.tripped_floor =
          draft.active() + std::max<std::int64_t>(
                               1, whole_replicas(static_cast<double>(draft.active()) * kTripStep));
      s.tripped_until = in.now + t.lead;
    }
  }
  if (in.now < s.tripped_until) {
    std::vector<Evidence> why = tripped(in, t.each, *t.work, std::max(t.present.rate, s.fast), s);
    why.push_back({"held_for_seconds", to_seconds(s.tripped_until - in.now)});
    raise(ReasonCode::kTripwire, s.tripped_floor, std::move(why), t, draft);
  }
}

/// A window that opens before an order of now would be ready is ordered for now.
void ask_schedule(const Input& in, const Tide& t, Draft& draft) {
  std::int64_t floor = 0;
  for (const spec::ScheduleWindow& window : in.model.scaling.schedule) {
    if (!window.min_replicas || !spec::active(window, in.seen.wall + t.lead)) continue;
    floor = std::max(floor, window.min_replicas->value());
  }
  raise(ReasonCode::kSchedule, floor, {{"opens_within_seconds", to_seconds(t.lead)}}, t, draft);
}

/// Hardware that is not what its profile says is named, and planned for as it is.
void name_drift(const TideState& s, Draft& draft) {
  for (std::size_t i = 0; i < s.variants.size(); ++i) {
    const TideVariant& learned = s.variants[i];
    const bool slow = learned.decode > kDrift || learned.prefill > kDrift;
    if (!slow && learned.decode * kDrift > 1) continue;
    draft.repeat(ReasonCode::kProfileDrift, draft.counts(),
                 {{"learned_decode_ratio", learned.decode},
                  {"learned_prefill_ratio", learned.prefill},
                  {"variant_number", static_cast<double>(i + 1)}});
  }
}

/// Beside who is awake, what else a cold start from now may need (`wanted`: awake or asleep), and
/// sleepers against what nobody foresees. On missing data none is stopped.
void ask_pool(const Input& in, const Tide& t, const std::vector<std::int64_t>& wanted, bool known,
              TideState& s, Recommendation& out) {
  double sustained = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    sustained += static_cast<double>(wanted[i]) * t.each[i].requests_per_second;
  }
  watch_surprises(in, sustained, t.lead, s);
  for (std::size_t i = 0; i < wanted.size() && i < out.replicas.size(); ++i) {
    const spec::WarmPool& pool = in.model.variants[i].warm_pool;
    const std::int64_t surprised = sleepers(in, i, wanted[i], t.each[i], t.lead, s.share, s);
    const std::int64_t dozing = wanted[i] - out.replicas[i].replicas.value();
    std::int64_t asleep =
        std::min(surprised + dozing, std::max(surprised, pool.max_replicas.value()));
    if (!known) asleep = std::max(asleep, fleet_of(in.model, in.seen, i).sleeping.value());
    out.replicas[i].asleep = Replicas(asleep);
  }
}

bool idle(const Input& in, const Tide& t, const TideState& s) {
  const Duration quiet = std::max(in.model.scaling.window, t.lead);
  return gateway_known(in.seen) && signal::in_flight_requests(in.seen).value <= 0 &&
         in.now - std::max(s.last_arrival, s.began) >= quiet;
}
}  // namespace

Decided decide_tide(const Input& in, State all) {
  if (!all.tide) all.tide.emplace();
  TideState& s = *all.tide;
  Draft draft(in.model, in.seen);
  const Tide t = look(in, s);
  const bool known = demand_known(in);
  std::vector<std::int64_t> wanted;  // awake or asleep
  if (!known) draft.incomplete();
  if (!known || s.bins == 0) {
    draft.hold(known ? ReasonCode::kNoChange : ReasonCode::kMissingData, what_is_heard(in));
  } else if (idle(in, t, s)) {
    draft.ask(ReasonCode::kNoTraffic, 0,
              {{"since_arrival_seconds", to_seconds(in.now - std::max(s.last_arrival, s.began))},
               {"lead_time_seconds", to_seconds(t.lead)}});
  } else {
    ask_forecast(in, t, s, draft);
    raise(ReasonCode::kReacquirePrice, 1, {}, t, draft);
    wanted = draft.counts();
    doze(in, t, s, draft);
  }
  ask_backlog(in, t, s, draft);
  ask_schedule(in, t, draft);
  trip(in, t, s, draft);
  activate(in, draft);
  keep_last_without_gateway(in, draft);
  name_drift(s, draft);
  wanted = largest_of(draft.counts(), wanted);
  Recommendation out = std::move(draft).finish();
  ask_pool(in, t, wanted, known, s, out);
  return {std::move(out), std::move(all)};
}

}  // namespace tidegate::policy
