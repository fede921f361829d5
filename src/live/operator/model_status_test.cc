#include "live/operator/model_status.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "live/kube/time_text.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const json& condition(const json& status, const std::string& type) {
  static const json kNone;
  for (const json& one : status["conditions"]) {
    if (one["type"] == type) return one;
  }
  return kNone;
}
/// "True AsDesired"
std::string told(const json& status, const std::string& type) {
  const json& one = condition(status, type);
  return one.is_null() ? "none"
                       : one["status"].get<std::string>() + " " + one["reason"].get<std::string>();
}

ModelSight running(std::int64_t ready, std::int64_t desired) {
  ModelSight sight;
  sight.variants = {{.name = "h100", .ready = ready, .desired = desired, .reason = "Forecast"}};
  sight.reasons = {{ReasonCode::kForecast, "h100", ready, desired, {}}};
  sight.queue_requests = 0;
  return sight;
}

TEST(ModelStatus, the_line_of_kubectl_get_tells_what_is_wrong_first) {
  ModelSight two_of_three = running(2, 3), refused = running(2, 3), shortage = running(2, 3),
             paused = running(2, 2), watched = running(2, 2);
  refused.refused = "h100: forbidden; grant patch on deployments/scale";
  shortage.short_of = "h100: p: Unschedulable";
  paused.paused = true;
  watched.mode = spec::Mode::kObserve;
  const struct {
    const char* label;
    SpecSight spec;
    const ModelSight* sight;
    const char *replicas, *reason;
  } rows[] = {
      {"what binds the number", {.generation = 1}, &two_of_three, "2/3", "Forecast"},
      {"a target that does not take it", {}, &refused, "2/3", "Refused"},
      {"no capacity", {}, &shortage, "2/3", "CapacityFailed"},
      {"paused", {}, &paused, "2/2", "Paused"},
      {"observed only", {}, &watched, "2/2", "ObserveMode"},
      {"a spec that is refused, above all", {.faults = "spec.x: bad"}, &refused, "2/3", "Invalid"},
      {"nothing runs", {.faults = "spec.x: bad"}, nullptr, "", "Invalid"},
  };
  for (const auto& row : rows) {
    const json status = status_of(row.spec, row.sight);
    EXPECT_EQ(status.value("replicas", ""), row.replicas) << row.label;
    EXPECT_EQ(status.value("reason", ""), row.reason) << row.label;
    EXPECT_FALSE(status.value("message", "").empty()) << row.label;
  }
}

TEST(ModelStatus, conditions_say_what_holds_and_why) {
  ModelSight sight = running(3, 3);
  json status = status_of({.generation = 7, .warnings = "spec.slo: none"}, &sight);
  EXPECT_EQ(status["observedGeneration"], 7);
  EXPECT_EQ(condition(status, "Ready")["observedGeneration"], 7);
  EXPECT_EQ(told(status, "SpecValid"), "True Accepted");
  EXPECT_EQ(condition(status, "SpecValid")["message"], "warning: spec.slo: none");
  EXPECT_EQ(told(status, "Ready"), "True AsDesired");
  EXPECT_EQ(told(status, "Applied"), "True Taken");
  EXPECT_EQ(told(status, "Limited"), "False WithinBounds");
  EXPECT_EQ(told(status, "Paused"), "False Acting");

  sight = running(3, 4);
  sight.variants[0].ordered = 1;
  sight.reasons.push_back({ReasonCode::kMaxReplicas, "h100", 9, 4, {}});
  sight.refused = "h100: forbidden";
  status = status_of({}, &sight);
  EXPECT_EQ(told(status, "Ready"), "False PendingCapacity");
  EXPECT_EQ(condition(status, "Ready")["message"], "3 of 4 ready, 1 on the way");
  EXPECT_EQ(told(status, "Applied"), "False Refused");
  EXPECT_EQ(told(status, "Limited"), "True MaxReplicas");
  EXPECT_THAT(condition(status, "Limited")["message"].get<std::string>(),
              HasSubstr("9 wanted, 4 let through"));

  status = status_of({.faults = "spec.variants: bad"}, nullptr);
  EXPECT_EQ(told(status, "SpecValid"), "False Invalid");
  EXPECT_EQ(condition(status, "SpecValid")["message"], "spec.variants: bad");
  EXPECT_EQ(told(status, "Ready"), "False NotRunning");
  EXPECT_EQ(told(status, "Limited"), "none") << "of what does not run nothing is known";
}

TEST(ModelStatus, at_zero_a_model_is_ready_and_while_it_is_observed_whatever_serves_counts) {
  ModelSight sight = running(0, 0);
  EXPECT_EQ(told(status_of({}, &sight), "Ready"), "True AsDesired");
  sight = running(1, 5);
  sight.mode = spec::Mode::kObserve;
  EXPECT_EQ(told(status_of({}, &sight), "Ready"), "True Serving");
  sight = running(0, 5);
  sight.paused = true;
  EXPECT_EQ(told(status_of({}, &sight), "Ready"), "False NothingReady");
}

TEST(ModelStatus, unknown_is_left_out_not_zero) {
  ModelSight sight = running(1, 1);
  sight.queue_requests.reset();
  json status = status_of({}, &sight);
  EXPECT_FALSE(status.contains("ttftP99"));
  EXPECT_FALSE(status.contains("queueRequests"));
  sight.queue_requests = 0;
  sight.ttft_p99 = short_duration(1.234);
  status = status_of({}, &sight);
  EXPECT_EQ(status["queueRequests"], 0);
  EXPECT_EQ(status["ttftP99"], "1.2s");
}

TEST(ModelStatus, a_long_message_is_cut) {
  const std::string faults(100'000, 'x');
  const json status = status_of({.faults = faults}, nullptr);
  EXPECT_LE(condition(status, "SpecValid")["message"].get<std::string>().size(), 4'099u);
  EXPECT_LE(status["message"].get<std::string>().size(), 4'099u);
}

TEST(ModelStatus, a_condition_keeps_its_time_until_its_status_flips) {
  const WallTime first = kube::parse_time("2026-01-02T03:04:05Z").value();
  const WallTime later = first + seconds(60);
  ModelSight sight = running(1, 2);
  json before = status_of({}, &sight);
  add_transitions(before, json(), first);
  sight.variants[0].ordered = 1;  // another message, the same status
  json same = status_of({}, &sight);
  add_transitions(same, before, later);
  EXPECT_EQ(condition(same, "Ready")["lastTransitionTime"], "2026-01-02T03:04:05Z");
  sight = running(2, 2);
  json flipped = status_of({}, &sight);
  add_transitions(flipped, same, later);
  EXPECT_EQ(condition(flipped, "Ready")["lastTransitionTime"], "2026-01-02T03:05:05Z");
  EXPECT_EQ(condition(flipped, "SpecValid")["lastTransitionTime"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(without_transitions(flipped), status_of({}, &sight));
}

TEST(ModelStatus, durations_have_two_digits) {
  const std::pair<double, const char*> rows[] = {{0, "0s"},        {0.0004, "1ms"}, {0.042, "42ms"},
                                                 {0.347, "350ms"}, {1.0, "1.0s"},   {9.94, "9.9s"},
                                                 {12.4, "12s"},    {130, "130s"}};
  for (const auto& [value, text] : rows) EXPECT_EQ(short_duration(value), text);
}

}  // namespace
}  // namespace tidegate::live
