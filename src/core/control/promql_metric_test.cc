// A metric that comes from a Prometheus, through the whole of the controller: what it says is
// followed, what it does not say lowers nothing.

#include <gtest/gtest.h>

#include "core/control/control_test_world.h"

namespace tidegate::control {
namespace {

/// A model with its fleet at what was decided, whose Prometheus says `value`, or nothing.
struct PromqlBench : Bench {
  double now = 0;

  explicit PromqlBench(const spec::Model& model) : Bench(model) { say(2, 1); }
  void say(std::optional<double> value, int for_seconds) {
    for (int i = 0; i < for_seconds; ++i, now += 1) {
      Observed seen = observed(controller.model(), at(now), 0, 0);
      signal::Signal metric;
      if (value) {
        metric = {*value, at(now), signal::Source::kPrometheus, signal::Freshness::kFresh, 1};
      }
      seen.observation.metrics = {metric};
      send(seen, now);
      ready(static_cast<std::uint64_t>(std::max<std::int64_t>(last_apply("v0"), 0)), now);
    }
  }
};

TEST(PromqlMetric, IsFollowedHeldWhileUnknownAndFollowedAgain) {
  for (const spec::PolicyKind policy :
       {spec::PolicyKind::kHpa, spec::PolicyKind::kKeda, spec::PolicyKind::kTargetTracking}) {
    spec::Model model = model_with(1, 20);
    model.scaling.policy = policy;
    model.scaling.metrics = {{std::nullopt, "sum(x)", spec::MetricTarget::kAverageValue, 2}};
    PromqlBench bench(model);
    bench.say(12, 400);
    EXPECT_EQ(bench.last_apply("v0"), 6) << token(policy) << ": 12 at 2 a replica";
    const std::size_t before = bench.applied().size();
    bench.say(std::nullopt, 7200);
    EXPECT_EQ(bench.applied().size(), before) << token(policy) << ": an outage changes nothing";
    bool told = false;
    for (const Record& record : bench.records()) {
      for (const Reason& reason : record.decision.reasons) {
        told = told || reason.code == ReasonCode::kMissingData;
      }
    }
    EXPECT_TRUE(told) << token(policy);
    bench.say(18, 600);
    EXPECT_EQ(bench.last_apply("v0"), 9) << token(policy) << ": up as soon as it is known";
    bench.say(2, 7200);
    EXPECT_EQ(bench.last_apply("v0"), 1) << token(policy) << ": and down, as it is known";
  }
}

}  // namespace
}  // namespace tidegate::control
