// targettracking: AWS Auto Scaling target tracking over scaling.metrics by maximum; without any,
// requests in flight per replica with the knob (targettracking:20) as target.
//
// Published behaviour (Amazon EC2 Auto Scaling user guide, "Target tracking scaling policies"; the
// alarms it creates): capacity proportional to metric / target on one-minute averages;
//   high alarm  above the target for 3 datapoints of 1 minute: out, at once and in one step
//   low alarm   below 0.9 of the target for 15 datapoints: in, but not within 300 s of the last
//               change
//   warm-up     300 s: what was ordered counts as capacity, so the same need is not ordered twice
//
// A metric without data leaves its alarm in INSUFFICIENT_DATA: no change on its account.

#include <algorithm>

#include "core/policy/laws.h"
#include "core/policy/metric.h"
#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
constexpr Duration kDatapoint = seconds(60);
constexpr Duration kHighAlarm = seconds(2 * 60);  // 3 datapoints: the first is its own average
constexpr Duration kLowAlarm = seconds(14 * 60);  // 15 datapoints
constexpr Duration kCooldown = seconds(300);
constexpr double kLowShare = 0.9;

/// Replicas, in fractions, at which the metric would meet its target.
double needed(const Reading& reading, const Draft& draft) {
  double ratio = reading.signal.value / reading.target;
  bool per_replica = reading.extent != Extent::kTotal;
  return per_replica ? ratio * static_cast<double>(std::max<std::int64_t>(1, draft.ready()))
                     : ratio;
}

struct Need {
  double replicas = 0;  ///< one-minute average, the largest of the metrics
  bool known = false;
};

Need average_need(const Input& in, const std::vector<spec::MetricSpec>& metrics, State& state,
                  Draft& draft) {
  Rates rates = step_totals(in, state);
  // Two windows a metric: `read` averages rates in the first, the need is averaged in the second.
  if (state.metrics.size() != 2 * metrics.size()) state.metrics.assign(2 * metrics.size(), {});
  Need need;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Reading reading = read(in, metrics[i], i, rates, state);
    if (!reading.signal.complete()) draft.incomplete();
    if (reading.signal.absent()) continue;
    TimeAverage& window = state.metrics[metrics.size() + i];
    window.set(needed(reading, draft), in.now, kDatapoint);
    need.replicas = std::max(need.replicas, window.mean(in.now, kDatapoint, 0));
    need.known = true;
  }
  return need;
}

void watch(bool breaching, Instant now, Instant& since) {
  if (!breaching) since = Instant::never();
  if (breaching && since.is_never()) since = now;
}
}  // namespace

Decided decide_target_tracking(const Input& in, State state) {
  Draft draft(in.model, in.seen);
  std::vector<spec::MetricSpec> defaults = in_flight_metric(in.model);
  Need need = average_need(in, metrics_or(in.model, defaults), state, draft);
  // A change is one of the fleet, not of what was asked: the plan may hold an answer back.
  if (!state.answer.empty() && state.answer != draft.counts()) state.last_change = in.now;
  state.answer = draft.counts();
  double active = static_cast<double>(draft.active());
  watch(need.known && need.replicas > active, in.now, state.above_since);
  watch(need.known && need.replicas < kLowShare * active, in.now, state.below_since);
  auto lasted = [&](Instant since, Duration alarm) {
    return !since.is_never() && in.now - since >= alarm;
  };
  bool out = lasted(state.above_since, kHighAlarm);
  bool low = lasted(state.below_since, kLowAlarm) && in.now - state.last_change >= kCooldown;
  std::vector<Evidence> evidence = {{"needed_replicas", need.replicas},
                                    {"active_replicas", active}};
  if (!need.known) {
    draft.hold(ReasonCode::kMissingData, std::move(evidence));
  } else if (out || low) {
    draft.ask(ReasonCode::kMetric, whole_replicas(need.replicas), std::move(evidence));
  } else {
    draft.hold(ReasonCode::kWithinTolerance, std::move(evidence));
  }
  activate(in, draft);
  keep_last_without_gateway(in, draft);
  return {std::move(draft).finish(), std::move(state)};
}

}  // namespace tidegate::policy
