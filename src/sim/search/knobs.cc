#include "sim/search/knobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/math.h"
#include "core/policy/mix.h"
#include "core/spec/options.h"

namespace tidegate::sim {
namespace {

using spec::PolicyKind;

constexpr double kWindowsSeconds[] = {10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600};
constexpr double kDelaysSeconds[] = {0,   30,  60,  90,   120,  180,  300,
                                     450, 600, 900, 1200, 1800, 2700, 3600};
constexpr double kLeastWaiting = 0.25, kMostWaiting = 256;  // keda:N
constexpr double kDefaultWaiting = 5;
constexpr double kSharesTried[] = {0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65,
                                   0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1};  // saturation:N, planner:N
constexpr double kDefaultKvLimit = 0.8, kDefaultSensitivity = 0.8;
constexpr double kTimesTarget = 8;

/// `value` with three significant digits: what one would write.
double rounded(double value) {
  double scale = 1;
  while (value * scale < 100) scale *= 10;
  double unit = 1;
  while (value / unit >= 1000) unit *= 10;
  return std::floor(value * scale / unit + 0.5) * unit / scale;
}

std::vector<double> log_grid(double least, double most) {
  std::vector<double> out;
  for (int i = 0;; ++i) {
    double value = least * pow(2, i / 4.0);
    if (value > most * 1.001) return out;
    out.push_back(rounded(value));
  }
}

Knob knob(KnobKind kind, std::string_view name, std::vector<double> values, double in_force) {
  values.push_back(in_force);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  auto found = std::find(values.begin(), values.end(), in_force);
  auto at = static_cast<std::size_t>(found - values.begin());
  return {kind, name, std::move(values), at};
}

std::size_t cheapest(const spec::Model& model) { return policy::fill_order(model).front(); }

template <std::size_t N>
std::vector<double> list(const double (&values)[N]) {
  return {values, values + N};
}

bool reads_metrics(PolicyKind policy) {
  return policy == PolicyKind::kHpa || policy == PolicyKind::kKeda ||
         policy == PolicyKind::kTargetTracking;
}

/// What a replica of the cheapest variant is asked to hold where no knob says so.
double held(const spec::Model& model) {
  spec::Model without = model;
  without.scaling.policy_knob.reset();
  return static_cast<double>(policy::concurrency_target(without, model.variants[cheapest(model)]));
}

void add_main(const spec::Model& model, std::vector<Knob>& out) {
  const spec::Scaling& scaling = model.scaling;
  auto main = [&](std::vector<double> values, double in_force) {
    out.push_back(knob(KnobKind::kPolicyKnob, "policy", std::move(values),
                       scaling.policy_knob.value_or(in_force)));
  };
  const double target = held(model);
  if (reads_metrics(scaling.policy) && !scaling.metrics.empty()) {
    out.push_back(knob(KnobKind::kMetricTargets, "metrics.target",
                       log_grid(1 / kTimesTarget, kTimesTarget), 1));
    return;
  }
  switch (scaling.policy) {
    case PolicyKind::kHpa:
    case PolicyKind::kTargetTracking:
      return main(log_grid(1, target), target * scaling.target_utilization);
    case PolicyKind::kConcurrency:
    case PolicyKind::kKpa: {
      // A target of whole requests.
      std::vector<double> values = log_grid(1, target);
      for (double& value : values) value = std::floor(value + 0.5);
      return main(std::move(values), target);
    }
    case PolicyKind::kKeda:
      return main(log_grid(kLeastWaiting, kMostWaiting), kDefaultWaiting);
    case PolicyKind::kStatic: {
      std::int64_t least = 0, most = 0;
      for (const spec::Variant& variant : model.variants) {
        least += spec::min_replicas(model, variant).value();
        most += variant.max_replicas.value();
      }
      std::vector<double> values;
      for (std::int64_t n = std::max<std::int64_t>(1, least); n <= most; ++n) {
        values.push_back(static_cast<double>(n));
      }
      return main(std::move(values), static_cast<double>(least));
    }
    case PolicyKind::kSaturation:
      return main(list(kSharesTried), kDefaultKvLimit);
    case PolicyKind::kPlanner:
      return main(list(kSharesTried), kDefaultSensitivity);
    case PolicyKind::kTide:
    case PolicyKind::kOracle:
      return;
  }
}

void set(spec::Model& model, const Knob& knob, double value) {
  spec::Scaling& scaling = model.scaling;
  switch (knob.kind) {
    case KnobKind::kPolicyKnob:
      scaling.policy_knob = value;
      return;
    case KnobKind::kMetricTargets:
      for (spec::MetricSpec& metric : scaling.metrics) {
        metric.target = rounded(metric.target * value);
        if (metric.type == spec::MetricTarget::kUtilization) {
          metric.target = std::min(metric.target, 1.0);
        }
      }
      return;
    case KnobKind::kWindow:
      scaling.window = seconds_f(value);
      return;
    case KnobKind::kScaleDownDelay:
      scaling.scale_down_delay = seconds_f(value);
      return;
    case KnobKind::kStabilization:
      scaling.scale_down.stabilization_window = seconds_f(value);
      return;
    case KnobKind::kMinReplicas:
      model.variants[cheapest(model)].min_replicas = Replicas(static_cast<std::int64_t>(value));
      return;
  }
}

std::string policy_text(const spec::Scaling& scaling) {
  std::string out(token(scaling.policy));
  if (scaling.policy_knob) out += ":" + spec::number_text(*scaling.policy_knob);
  return out;
}

std::string metric_yaml(const spec::MetricSpec& metric) {
  std::string out = metric.signal ? fmt::format("signal: {}", token(*metric.signal))
                                  : fmt::format("promql: {}", fmt::format("\"{}\"", metric.promql));
  return fmt::format("    - {{{}, type: {}, target: {}}}\n", out, token(metric.type),
                     spec::number_text(metric.target));
}

}  // namespace

std::vector<Knob> knobs_of(const spec::Model& model) {
  const spec::Scaling& scaling = model.scaling;
  std::vector<Knob> out;
  add_main(model, out);
  if (scaling.policy == PolicyKind::kStatic) return out;
  if (scaling.policy == PolicyKind::kConcurrency || scaling.policy == PolicyKind::kKpa) {
    out.push_back(
        knob(KnobKind::kWindow, "window", list(kWindowsSeconds), to_seconds(scaling.window)));
  }
  if (scaling.scale_down.stabilization_window) {
    out.push_back(knob(KnobKind::kStabilization, "behavior.scaleDown.stabilizationWindowSeconds",
                       list(kDelaysSeconds), to_seconds(*scaling.scale_down.stabilization_window)));
  } else {
    out.push_back(knob(KnobKind::kScaleDownDelay, "scaleDownDelay", list(kDelaysSeconds),
                       to_seconds(spec::scale_down_delay(scaling))));
  }
  const spec::Variant& variant = model.variants[cheapest(model)];
  const std::int64_t least = spec::min_replicas(model, variant).value();
  std::vector<double> floors;
  for (std::int64_t n = least; n <= variant.max_replicas.value();
       n += std::max<std::int64_t>(1, n / 8)) {
    floors.push_back(static_cast<double>(n));
  }
  out.push_back(
      knob(KnobKind::kMinReplicas, "minReplicas", std::move(floors), static_cast<double>(least)));
  return out;
}

Point untuned(const std::vector<Knob>& knobs) {
  Point out;
  for (const Knob& knob : knobs) out.push_back(knob.untuned);
  return out;
}

spec::Model with(spec::Model model, const std::vector<Knob>& knobs, const Point& point) {
  for (std::size_t i = 0; i < knobs.size(); ++i) {
    if (point[i] != knobs[i].untuned) set(model, knobs[i], knobs[i].values[point[i]]);
  }
  return model;
}

std::string text(const spec::Model& model, const std::vector<Knob>& knobs, const Point& point) {
  std::string out = policy_text(with(model, knobs, point).scaling);
  for (std::size_t i = 0; i < knobs.size(); ++i) {
    const double value = knobs[i].values[point[i]];
    switch (knobs[i].kind) {
      case KnobKind::kPolicyKnob:
        break;
      case KnobKind::kMetricTargets:
        out += fmt::format(", metrics.target x {}", spec::number_text(value));
        break;
      case KnobKind::kMinReplicas:
        out += fmt::format(", minReplicas {}", spec::number_text(value));
        break;
      case KnobKind::kWindow:
      case KnobKind::kScaleDownDelay:
      case KnobKind::kStabilization: {
        std::string_view name = knobs[i].kind == KnobKind::kStabilization
                                    ? std::string_view("stabilizationWindow")
                                    : knobs[i].name;
        out += fmt::format(", {} {}", name, spec::duration_text(seconds_f(value)));
        break;
      }
    }
  }
  return out;
}

std::string yaml(const spec::Model& model, const std::vector<Knob>& knobs, const Point& point) {
  const spec::Model tuned = with(model, knobs, point);
  const spec::Scaling& scaling = tuned.scaling;
  std::string out = fmt::format("scaling:\n  policy: {}\n", policy_text(scaling));
  std::string variants;
  for (const Knob& knob : knobs) {
    switch (knob.kind) {
      case KnobKind::kPolicyKnob:
        break;
      case KnobKind::kMetricTargets:
        out += "  metrics:\n";
        for (const spec::MetricSpec& metric : scaling.metrics) out += metric_yaml(metric);
        break;
      case KnobKind::kWindow:
        out += fmt::format("  window: {}\n", spec::duration_text(scaling.window));
        break;
      case KnobKind::kScaleDownDelay:
        if (!scaling.scale_down_delay) break;
        out +=
            fmt::format("  scaleDownDelay: {}\n", spec::duration_text(*scaling.scale_down_delay));
        break;
      case KnobKind::kStabilization:
        out += fmt::format("  behavior: {{scaleDown: {{stabilizationWindowSeconds: {}}}}}\n",
                           to_seconds(*scaling.scale_down.stabilization_window));
        break;
      case KnobKind::kMinReplicas: {
        const spec::Variant& variant = tuned.variants[cheapest(tuned)];
        variants = fmt::format("variants:\n  - name: {}\n    minReplicas: {}\n", variant.name,
                               spec::min_replicas(tuned, variant).value());
        break;
      }
    }
  }
  return out + variants;
}

}  // namespace tidegate::sim
