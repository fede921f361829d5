#include "live/actuate/kubernetes/pod.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidegate::live {
namespace {

using nlohmann::json;

TEST(PodView, each_stage_of_a_start_is_between_two_times_that_the_pod_carries) {
  json pod = json::parse(R"({
    "metadata": {"name": "p", "uid": "u", "creationTimestamp": "2026-01-02T03:00:00Z"},
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-02T03:02:00Z"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:05:10Z"}],
      "initContainerStatuses": [{"name": "weights", "state": {"terminated":
        {"startedAt": "2026-01-02T03:02:40Z", "finishedAt": "2026-01-02T03:04:00Z"}}}],
      "containerStatuses": [{"name": "engine", "state": {"running":
        {"startedAt": "2026-01-02T03:04:05Z"}}}]}})");
  auto stages = stages_of(view_of(pod));
  EXPECT_EQ(stages.procurement, seconds(120));
  EXPECT_EQ(stages.image, seconds(40));
  EXPECT_EQ(stages.weights, seconds(80));
  EXPECT_EQ(stages.engine, seconds(65));
  EXPECT_EQ(stages.total, seconds(310));
}

TEST(PodView, objects_of_any_shape_are_read_without_harm) {
  for (
      const char* text :
      {"null", "[]", "{}", R"({"status": []})", R"({"metadata": 3, "status": {"conditions": {}}})",
       R"({"status": {"conditions": [3, {"type": 4}], "containerStatuses": [null, {"state": 1}]}})",
       R"({"metadata": {"creationTimestamp": "soon"}, "status": {"podIP": 7}})"}) {
    EXPECT_FALSE(view_of(json::parse(text)).ready) << text;
  }
}

}  // namespace
}  // namespace tidegate::live
