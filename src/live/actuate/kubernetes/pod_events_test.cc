#include "live/actuate/kubernetes/pod_events.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace tidegate::live {
namespace {

using nlohmann::json;

/// As kubelets' Events are read by the newer API.
json event(const std::string& reason, const std::string& note,
           const std::string& container = "spec.containers{engine}") {
  return {{"reason", reason},
          {"note", note},
          {"eventTime", nullptr},
          {"deprecatedLastTimestamp", "2026-01-02T03:04:05Z"},
          {"deprecatedSource", {{"component", "kubelet"}}},
          {"regarding", {{"uid", "u"}, {"fieldPath", container}}}};
}
json pulled(const std::string& how, const std::string& container = "spec.containers{engine}") {
  return event("Pulled", "Successfully pulled image \"vllm/vllm-openai:v0.11.0\" in " + how,
               container);
}
const std::string kThere =
    "Container image \"vllm/vllm-openai:v0.11.0\" already present on machine";

TEST(PodEvents, APullIsKnownOnlyWhereEachContainerHasItsOwnAndNoneFailed) {
  const std::string init = "spec.initContainers{weights}";
  struct Row {
    const char* label;
    json events;
    std::size_t containers;
    double pulls;  ///< seconds; negative: unknown
  };
  const Row rows[] = {
      {"1.27 and later: with the wait for other pulls",
       {pulled("4m1.204s (4m3.5s including waiting)")},
       1,
       243.5},
      {"1.29 and later: and the size",
       {pulled("1.2s (2.5s including waiting). Image size: 7 bytes.")},
       1,
       2.5},
      {"before 1.27", {pulled("345.678912ms")}, 1, 0.345678912},
      {"it was there", {event("Pulled", kThere)}, 1, 0},
      {"1.35: the container stands before",
       {event("Pulled", "spec.containers{engine}: " + kThere + " and can be accessed by the pod")},
       1,
       0},
      {"of two containers each", {pulled("2s"), pulled("3s (3s including waiting)", init)}, 2, 5},
      {"pulled again by a restart", {pulled("2s"), pulled("500ms")}, 1, 2.5},
      {"one Event was lost", {pulled("2s")}, 2, -1},
      {"none is kept any more", json::array(), 1, -1},
      {"a pull failed before", {event("Failed", "Failed to pull image"), pulled("2s")}, 1, -1},
      {"words nobody knows", {event("Pulled", "Image streamed in a jiffy")}, 1, -1},
      {"a time nobody knows", {pulled("two seconds")}, 1, -1},
      {"other Events", {event("Scheduled", "x"), pulled("2s"), event("Started", "y")}, 1, 2},
  };
  for (const Row& row : rows) {
    const auto said = read_events({{"items", row.events}}, row.containers);
    ASSERT_EQ(said.pulls.has_value(), row.pulls >= 0) << row.label;
    if (said.pulls) {
      EXPECT_EQ(*said.pulls, seconds_f(row.pulls)) << row.label;
    }
    EXPECT_EQ(said.autoscaler, "") << row.label;
  }
}

TEST(PodEvents, AnAutoscalersLatestWordsAreKept) {
  auto by = [](const std::string& who, const std::string& reason, const std::string& note,
               const std::string& at) {
    json out = event(reason, note, "");
    out["deprecatedSource"]["component"] = who;
    out["deprecatedLastTimestamp"] = at;
    return out;
  };
  const std::string early = "2026-01-02T03:04:05Z", late = "2026-01-02T03:05:00Z";
  const std::string full = "pod didn't trigger scale-up: 1 max node group size reached";
  const std::string ca = "cluster-autoscaler";
  json fresh = by("", "Nominated", "Pod should schedule on: nodeclaim/gpu-x7", "");
  fresh["reportingController"] = "karpenter";
  fresh["deprecatedLastTimestamp"] = nullptr;
  fresh["eventTime"] = "2026-01-02T03:05:00.123456Z";
  struct Row {
    const char* label;
    json events;
    std::string words;
    bool ordered;
  };
  const Row rows[] = {
      {"it cannot", {by(ca, "NotTriggerScaleUp", full, early)}, ca + ": " + full, false},
      {"it could not, and now does, in any order",
       {by(ca, "TriggeredScaleUp", "pod triggered scale-up: [{gpu 1->2 (max: 4)}]", late),
        by(ca, "NotTriggerScaleUp", full, early)},
       ca + ": pod triggered scale-up: [{gpu 1->2 (max: 4)}]",
       true},
      {"Karpenter makes one", {fresh}, "karpenter: Pod should schedule on: nodeclaim/gpu-x7", true},
      {"the scheduler's words are in the pod itself",
       {by("default-scheduler", "FailedScheduling", "0/4 nodes are available", early)},
       "",
       false},
  };
  for (const Row& row : rows) {
    const auto said = read_events({{"items", row.events}}, 1);
    EXPECT_EQ(said.autoscaler, row.words) << row.label;
    EXPECT_EQ(said.node_ordered, row.ordered) << row.label;
  }
  const auto cut =
      read_events({{"items", {by(ca, "NotTriggerScaleUp", std::string(5'000, 'x'), early)}}}, 1);
  EXPECT_LT(cut.autoscaler.size(), 400u);
}

TEST(PodEvents, ListsOfAnyShapeAreReadWithoutHarm) {
  for (const char* text : {"null", "[]", "{}", R"({"items": 3})", R"({"items": [null, 1, {}]})",
                           R"({"items": [{"reason": "Pulled", "note": 4, "regarding": []}]})"}) {
    EXPECT_EQ(read_events(json::parse(text), 1).pulls, std::nullopt) << text;
  }
}

TEST(PodEvents, GoDurations) {
  struct Row {
    const char* text;
    double seconds;  ///< negative: none
  };
  for (const Row& row :
       {Row{"0s", 0}, Row{"1.5s", 1.5}, Row{"1h2m3.25s", 3723.25}, Row{"12µs", 12e-6},
        Row{"7ns", 7e-9}, Row{"", -1}, Row{"5", -1}, Row{"s", -1}, Row{"-1s", -1}, Row{"1.5x", -1},
        Row{"1e9s", -1}, Row{"1s ", -1}}) {
    const auto read = read_go_duration(row.text);
    ASSERT_EQ(read.has_value(), row.seconds >= 0) << row.text;
    if (read) {
      EXPECT_EQ(*read, seconds_f(row.seconds)) << row.text;
    }
  }
}

}  // namespace
}  // namespace tidegate::live
