// What a manifest will say, as a model: the same value is simulated and written.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/policy/mix.h"
#include "core/spec/options.h"
#include "core/spec/validate.h"
#include "exchange/cron_trigger.h"
#include "exchange/export.h"
#include "exchange/queries.h"

namespace tidegate::exchange {
namespace {

using spec::MetricSpec;
using spec::MetricTarget;
using spec::PolicyKind;
using spec::SignalName;

constexpr double kKvTarget = 0.8;
constexpr double kQueueTarget = 5;
constexpr Duration kMaxStabilization = seconds(3600);

MetricSpec metric(SignalName signal, MetricTarget type, double target) {
  MetricSpec out;
  out.signal = signal;
  out.type = type;
  out.target = target;
  return out;
}

MetricSpec in_flight(const spec::Model& model) {
  const spec::Variant& cheapest = model.variants[policy::fill_order(model).front()];
  double target = static_cast<double>(policy::concurrency_target(model, cheapest)) *
                  model.scaling.target_utilization;
  return metric(SignalName::kInFlight, MetricTarget::kAverageValue,
                std::max(1.0, std::round(target * 10) / 10));
}

bool reads_metrics(PolicyKind policy) {
  return policy == PolicyKind::kHpa || policy == PolicyKind::kKeda ||
         policy == PolicyKind::kTargetTracking;
}

bool is_queue(const MetricSpec& m) {
  return m.signal == SignalName::kWaiting || m.signal == SignalName::kQueueTokens;
}

void choose_metrics(spec::Model& model, std::vector<std::string>& notes) {
  auto& metrics = model.scaling.metrics;
  if (!reads_metrics(model.scaling.policy)) metrics.clear();
  const bool given = !metrics.empty();
  bool all_tell_kv = std::all_of(model.variants.begin(), model.variants.end(), tells_kv);
  if (!given) {
    metrics.push_back(in_flight(model));
    if (all_tell_kv)
      metrics.push_back(metric(SignalName::kKvUsage, MetricTarget::kValue, kKvTarget));
  } else if (std::all_of(metrics.begin(), metrics.end(), is_queue)) {
    metrics.push_back(in_flight(model));
    notes.push_back(
        "The spec looks at the queue alone. That orders on the backlog until capacity arrives and "
        "drops to the floor when the queue empties, so requests in flight are looked at too.");
  }
  // A share of concurrencyTarget is a number of requests to everybody else.
  const spec::Variant& first = model.variants[policy::fill_order(model).front()];
  for (MetricSpec& m : metrics) {
    if (m.type != MetricTarget::kUtilization) continue;
    m.target = target_value(model, first, m);
    m.type = is_ratio(m) ? MetricTarget::kValue : MetricTarget::kAverageValue;
  }
}

Duration longest_cold_start(const spec::Model& model) {
  Duration out{0};
  for (const auto& v : model.variants) out = std::max(out, spec::cold_start_p90(v.cold_start));
  return out;
}

/// Whole seconds up to the next 15: HPA's own step.
Duration to_grid(Duration d) {
  constexpr std::int64_t kStep = 15'000'000'000;
  std::int64_t steps = std::clamp<std::int64_t>((d.count() + kStep - 1) / kStep, 1, 120);
  return Duration(steps * kStep);
}

void choose_behavior(spec::Scaling& scaling, Duration cold_start, std::vector<std::string>& notes) {
  using spec::ScalePolicyType;
  if (!scaling.scale_up.stabilization_window) scaling.scale_up.stabilization_window = seconds(0);
  if (scaling.scale_up.policies.empty()) {
    Duration period = to_grid(cold_start);
    scaling.scale_up.policies = {{ScalePolicyType::kPercent, 100, period},
                                 {ScalePolicyType::kPods, 4, period}};
    notes.push_back(fmt::format(
        "Up at most twofold, or by 4, in {}: one cold start. What waits meanwhile would order the "
        "same need again.",
        spec::duration_text(period)));
  }
  if (!scaling.scale_down.stabilization_window) {
    scaling.scale_down.stabilization_window =
        std::min(spec::scale_down_delay(scaling), kMaxStabilization);
  }
  if (scaling.scale_down.policies.empty()) {
    scaling.scale_down.policies = {{ScalePolicyType::kPercent, 50, seconds(60)},
                                   {ScalePolicyType::kPods, 1, seconds(60)}};
  }
  // One delay, not two: the window above is what Kubernetes has.
  scaling.scale_down_delay = seconds(0);
}

void choose_bounds(spec::Model& model, ExportKind kind, std::vector<std::string>& notes) {
  for (spec::Variant& v : model.variants) {
    Replicas least = spec::min_replicas(model, v);
    if (kind == ExportKind::kHpa && least == Replicas(0)) {
      least = Replicas(1);
      notes.push_back(
          "minReplicas is 1, not 0: HPA goes to zero only where the server has HPAScaleToZero, and "
          "does not hold the requests that would wake it. While its target has no replica it does "
          "nothing: scale that to 1 first.");
    }
    v.min_replicas = least;
  }
}

/// What neither can say is not simulated either.
void leave_out(spec::Model& model, ExportKind kind, std::vector<std::string>& notes) {
  spec::Scaling& scaling = model.scaling;
  auto said = [&](const spec::ScheduleWindow& window) {
    return kind == ExportKind::kKeda && window.min_replicas && !window.max_replicas &&
           cron_span(window);
  };
  auto gone = std::remove_if(scaling.schedule.begin(), scaling.schedule.end(),
                             [&](const spec::ScheduleWindow& w) { return !said(w); });
  if (gone != scaling.schedule.end()) {
    scaling.schedule.erase(gone, scaling.schedule.end());
    notes.push_back(kind == ExportKind::kKeda
                        ? "Left out: windows of scaling.schedule that no cron trigger can say (a "
                          "maxReplicas, a start without a fixed hour and minute, an end beyond its "
                          "day)."
                        : "Left out: scaling.schedule. An HPA has no clock; KEDA has.");
  }
  if (scaling.prewarm) notes.push_back("Left out: scaling.prewarm.");
  scaling.prewarm.reset();
  bool sleepers = false;
  for (spec::Variant& v : model.variants) {
    sleepers = sleepers || v.warm_pool.max_replicas > Replicas(0);
    v.warm_pool = {};
  }
  if (sleepers) notes.push_back("Left out: warmPool. Neither puts engines to sleep.");
}

/// CloudWatch is told the queue and Tidegate's own number, no more.
void choose_asg(spec::Model& model, std::vector<std::string>& notes) {
  model.scaling.policy = PolicyKind::kTargetTracking;
  double target = kQueueTarget;
  for (const MetricSpec& m : model.scaling.metrics) {
    if (m.signal == SignalName::kWaiting) target = m.target;
  }
  model.scaling.metrics = {metric(SignalName::kWaiting, MetricTarget::kAverageValue, target)};
  model.scaling.scale_up = {};
  model.scaling.scale_down = {};
  model.scaling.scale_down_delay = seconds(0);
  notes.push_back(
      "Two policies: the group takes the larger answer on the way out and goes in only where both "
      "agree. LLMQueueDepth alone would drop to the floor when the queue empties, so the second "
      "follows Tidegate's own number.");
}

}  // namespace

Law exported_law(const spec::Model& model, const ExportOptions& options) {
  Law law{model, "", "", {}};
  spec::Scaling& scaling = law.model.scaling;
  scaling.paused = false;
  const bool own_law = !options.follow && (options.kind == ExportKind::kHpa ||
                                           options.kind == ExportKind::kPrometheusAdapter ||
                                           options.kind == ExportKind::kKeda);
  if (options.kind == ExportKind::kAsg) {
    choose_asg(law.model, law.notes);
    law.policy = "targettracking";
    law.label = "targettracking, queue alone";
  } else if (own_law) {
    const bool keda = options.kind == ExportKind::kKeda;
    choose_metrics(law.model, law.notes);
    choose_behavior(scaling, longest_cold_start(model), law.notes);
    scaling.policy = keda ? PolicyKind::kKeda : PolicyKind::kHpa;
    law.policy = keda ? "keda" : "hpa";
    law.label = law.policy + ", as exported";
    if (!keda && options.tolerance && !scaling.scale_up.tolerance) scaling.scale_up.tolerance = 0;
    leave_out(law.model, keda ? ExportKind::kKeda : ExportKind::kHpa, law.notes);
    choose_bounds(law.model, keda ? ExportKind::kKeda : ExportKind::kHpa, law.notes);
    if (model.variants.size() > 1) {
      law.notes.push_back(
          "Simulated as one fleet that fills its cheapest variant first; the objects below know "
          "nothing of each other, and each takes its share of the gateway's queue.");
    }
  } else {
    law.policy = std::string(token(scaling.policy));
    if (scaling.policy_knob) law.policy += ":" + spec::number_text(*scaling.policy_knob);
    law.label = law.policy + (options.follow ? ", which it follows" : ", as the spec says");
    choose_bounds(law.model, options.kind, law.notes);
  }
  if (own_law || options.kind == ExportKind::kAsg) scaling.policy_knob.reset();
  return law;
}

}  // namespace tidegate::exchange
