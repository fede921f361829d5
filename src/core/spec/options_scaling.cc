// The keys under scaling.

#include "core/spec/bind.h"

namespace tidegate::spec {
namespace {

constexpr Option policy_row() {
  Option o;
  o.key = "policy";
  o.kind = Kind::kPolicy;
  o.tokens = EnumTokens<PolicyKind>::kTokens;
  o.bind.set = [](void* owner, const Value& value) {
    auto& scaling = *static_cast<Scaling*>(owner);
    if (auto* choice = std::get_if<PolicyChoice>(&value)) {
      scaling.policy = choice->policy;
      scaling.policy_knob = choice->knob;
    }
  };
  o.bind.get = [](const void* owner) -> Value {
    const auto& scaling = *static_cast<const Scaling*>(owner);
    return PolicyChoice{scaling.policy, scaling.policy_knob};
  };
  return o;
}

constexpr Option kMetricRows[] = {
    option<&MetricSpec::signal>("signal")
        .otherwise("promql is used")
        .like("waiting")
        .says("A signal of Tidegate's own; waiting counts the gateway's queue and the engines'."),
    option<&MetricSpec::promql>("promql")
        .otherwise("signal is used")
        .like("sum(rate(my_tokens_total[1m]))")
        .says("A PromQL query that gives one number, where no signal says it."),
    option<&MetricSpec::type>("type").says("AverageValue: total / target replicas; Value and "
                                           "Utilization: replicas x value / target, as HPA v2."),
    option<&MetricSpec::target>("target")
        .needed()
        .above(0, std::numeric_limits<double>::infinity())
        .like("5")
        .says("The value aimed at, in the metric's own unit; for Utilization a share up to 1."),
};
constexpr std::string_view kMetricSources[] = {"signal", "promql"};
constexpr Section kMetric{"metric",
                          "One metric; the largest answer of all wins.",
                          kMetricRows,
                          defaults_of<MetricSpec>,
                          Choice::kExactlyOne,
                          kMetricSources};

constexpr Option kRateRows[] = {
    option<&ScalePolicy::type>("type").says(
        "Percent of the replicas there are, or a number of Pods (replicas)."),
    option<&ScalePolicy::value>("value").between(1, 10'000).says("Largest change in one period."),
    option<&ScalePolicy::period>("periodSeconds")
        .as(Kind::kSeconds)
        .between(1, 1'800)
        .says("The period, in whole seconds."),
};
constexpr Section kRate{"policy", "A limit on the rate of change.", kRateRows,
                        defaults_of<ScalePolicy>};

constexpr Option kRulesRows[] = {
    option<&ScalingRules::stabilization_window>("stabilizationWindowSeconds")
        .as(Kind::kSeconds)
        .between(0, 3'600)
        .otherwise("up 0, down scaleDownDelay")
        .like("300")
        .says("Look back over so many seconds and take the safest recommendation; raise it against "
              "flapping."),
    option<&ScalingRules::select_policy>("selectPolicy")
        .says("Which of several policies binds: Max the loosest, Min the tightest; Disabled "
              "forbids the direction."),
    option<&ScalingRules::tolerance>("tolerance")
        .between(0, 1)
        .otherwise("0.1 under hpa and keda")
        .like("0.1")
        .says("Dead band around the target as a share; no change inside it."),
    option<&ScalingRules::policies>("policies", kRate)
        .at_most(16)
        .otherwise("no limit")
        .says("Rate limits; give them where a jump of any size would hurt."),
};
constexpr Section kRules{"rules", "As HPA v2 has them.", kRulesRows, defaults_of<ScalingRules>};

constexpr Option kBehaviorRows[] = {
    option<&Scaling::scale_up>("scaleUp", kRules).says("Rules on the way up."),
    option<&Scaling::scale_down>("scaleDown", kRules).says("Rules on the way down."),
};
constexpr Section kBehavior{"behavior", "Rate limits and stabilization, as HPA v2 has them.",
                            kBehaviorRows, defaults_of<Scaling>};

constexpr Option kPrewarmRows[] = {
    option<&Prewarm::threshold>("threshold")
        .above(0, 1)
        .says("One replica more when waiting reaches this share of queue.maxRequests."),
    option<&Prewarm::lead_time>("leadTime")
        .between(0, kHour)
        .says("It is held, and not repeated, for so long; about one cold start."),
};
constexpr Section kPrewarm{"prewarm", "Act on the queue before the policy does.", kPrewarmRows,
                           defaults_of<Prewarm>};

constexpr Option kWindowRows[] = {
    option<&ScheduleWindow::cron>("cron")
        .needed()
        .like("0 8 * * mon-fri")
        .says("When the window opens: minute, hour, day of month, month, day of week."),
    option<&ScheduleWindow::time_zone>("timeZone")
        .like("Europe/Berlin")
        .says("IANA name of the zone the cron line is read in."),
    option<&ScheduleWindow::duration>("duration")
        .between(kMinute, 31 * kDay)
        .says("How long it stays open from each match."),
    option<&ScheduleWindow::min_replicas>("minReplicas")
        .between(0, 10'000)
        .otherwise("the variants' own")
        .like("4")
        .says("Floor of all variants together while open."),
    option<&ScheduleWindow::max_replicas>("maxReplicas")
        .between(0, 10'000)
        .otherwise("the variants' own")
        .like("16")
        .says("Ceiling of all variants together while open."),
};
constexpr std::string_view kWindowBounds[] = {"minReplicas", "maxReplicas"};
constexpr Section kWindow{"window",
                          "Bounds that hold in a window of time.",
                          kWindowRows,
                          defaults_of<ScheduleWindow>,
                          Choice::kAtLeastOne,
                          kWindowBounds};

constexpr Option kScalingRows[] = {
    policy_row()
        .like("concurrency")
        .says("How demand becomes replicas; a main knob may follow a colon (static:4, keda:5)."),
    option<&Scaling::mode>("mode").says("observe recommends and touches nothing, auto acts, timed "
                                        "acts for timedFor and then lets go."),
    option<&Scaling::timed_for>("timedFor")
        .between(0, 30 * kDay)
        .otherwise("mode timed needs it")
        .says("How long mode timed acts after a start or a change of the spec."),
    option<&Scaling::environment>("environment")
        .says("The floor where minReplicas is not given: ha 2, dev 1, cost 0."),
    option<&Scaling::window>("window").between(1, kHour).says(
        "Demand is averaged over this; shorten it to react faster, lengthen it against noise."),
    option<&Scaling::scale_down_delay>("scaleDownDelay")
        .between(0, kDay)
        .otherwise("15m; 5m under tide")
        .like("5m")
        .says("Demand must stay low for so long before replicas go; keep it above the cold start."),
    option<&Scaling::concurrency_target>("concurrencyTarget")
        .between(1, 100'000)
        .otherwise("maxNumSeqs of the variant")
        .like("64")
        .says("Requests one replica should hold; lower it for latency, raise it for cost."),
    option<&Scaling::target_utilization>("targetUtilization")
        .above(0, 1)
        .says("Share of concurrencyTarget aimed at; the rest is headroom for bursts."),
    option<&Scaling::metrics>("metrics", kMetric)
        .at_most(16)
        .otherwise("the policy's own")
        .says("What hpa, keda and targettracking look at; under concurrency they can only raise. "
              "The largest answer wins."),
    same_owner("behavior", kBehavior).says("Rate limits and stabilization, as HPA v2 has them."),
    option<&Scaling::prewarm>("prewarm", kPrewarm)
        .otherwise("off")
        .says("Act on the queue before the policy does; give it where cold starts are long."),
    option<&Scaling::schedule>("schedule", kWindow)
        .at_most(32)
        .otherwise("none")
        .says("Bounds by time of day; give them where the load is known beforehand."),
    option<&Scaling::tide_without>("tideWithout")
        .says("A part of the policy tide to leave out, to see in a simulation what it buys."),
    option<&Scaling::paused>("paused").says(
        "No writes to the target at all, except by `tidegate scale`."),
};

}  // namespace

extern constexpr Section kScalingSection{"scaling", "How many replicas, and when that changes.",
                                         kScalingRows, defaults_of<Scaling>};

}  // namespace tidegate::spec
