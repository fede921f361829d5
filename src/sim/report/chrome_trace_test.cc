#include "sim/report/chrome_trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "sim/report/report_test_data.h"

namespace tidegate::sim {
namespace {

using namespace testing_report;
using Json = nlohmann::json;

/// All events of a trace that `tell` wrote through one recorder.
std::vector<Json> events(const std::function<void(TraceRecorder&)>& tell) {
  std::string path = ::testing::TempDir() + "/tidegate_chrome_trace_test.json";
  auto file = *OutFile::create(path);
  ChromeTrace trace(*file, "tidegate \"test\"");
  TraceRecorder recorder(trace, "keda:5", two_variants());
  tell(recorder);
  recorder.end();
  trace.end();
  EXPECT_TRUE(file->commit());
  std::ifstream in(path);
  Json all = Json::parse(in);
  std::filesystem::remove(path);
  EXPECT_EQ(all["otherData"]["program"], "tidegate \"test\"");
  return all["traceEvents"].get<std::vector<Json>>();
}

std::vector<Json> of(const std::vector<Json>& all, const std::string& phase) {
  std::vector<Json> out;
  for (const Json& e : all) {
    if (e["ph"] == phase) out.push_back(e);
  }
  return out;
}

TEST(ChromeTrace, ARunWithoutAnythingIsValid) {
  auto all = events([](TraceRecorder&) {});
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0]["args"]["name"], "keda:5 · qwen");
}

TEST(ChromeTrace, AReplicasStagesFollowOneAnotherOnItsOwnTrack) {
  auto spans = of(events([](TraceRecorder& r) { tell_life(r, 4); }), "X");
  std::vector<std::tuple<std::string, double, double>> seen;
  for (const Json& s : spans) {
    EXPECT_EQ(s["tid"], 4);
    seen.emplace_back(s["name"], s["ts"].get<double>() / 1e6, s["dur"].get<double>() / 1e6);
  }
  EXPECT_EQ(seen, (decltype(seen){{"procurement", 10, 5},
                                  {"weights", 15, 15},
                                  {"engine", 30, 5},
                                  {"ready", 35, 65},
                                  {"draining", 100, 10}}));
}

TEST(ChromeTrace, WhatIsOpenAtTheEndIsDrawnToTheEnd) {
  using S = control::ReplicaState;
  auto spans = of(events([](TraceRecorder& r) {
                    Change first = change(1, S::kReady, 1);
                    first.adopted = true;
                    r.replica(at(0), first);
                    r.replica(at(50), change(2, S::kOrdered));
                    r.sample({.at = at(60)});
                  }),
                  "X");
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[0]["name"], "ready");
  EXPECT_EQ(spans[0]["dur"], 60e6);
  EXPECT_EQ(spans[1]["name"], "procurement");
  EXPECT_EQ(spans[1]["dur"], 10e6);
}

TEST(ChromeTrace, AStartThatWasGivenUpEndsThere) {
  using S = control::ReplicaState;
  auto spans = of(events([](TraceRecorder& r) {
                    r.replica(at(10), change(1, S::kOrdered));
                    r.replica(at(12), change(1, S::kStarting));
                    r.replica(at(20), change(1, S::kDraining));
                    r.replica(at(20), change(1, S::kGone));
                  }),
                  "X");
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_EQ(spans[1]["name"], "starting");
  EXPECT_EQ(spans[1]["dur"], 8e6);
}

TEST(ChromeTrace, ACounterIsWrittenWhenItChangesAndNoPeakIsLost) {
  auto counters = of(events([](TraceRecorder& r) {
                       for (int i = 1; i <= 20'000; ++i) {
                         r.sample({.at = at(i), .queued = i == 12'345 ? 77 : 3});
                       }
                     }),
                     "C");
  std::vector<double> queue;
  for (const Json& c : counters) {
    if (c["name"] == "queue") queue.push_back(c["args"]["requests"]);
  }
  EXPECT_EQ(queue, (std::vector<double>{3, 77, 3}));
}

TEST(ChromeTrace, ADecisionIsAnInstantWhereTheNumberChanged) {
  auto instants =
      of(events([](TraceRecorder& r) {
           r.decision(decision(at(1), {1, 0}), 0);
           r.decision(decision(at(2), {1, 0}), 0);
           r.decision(decision(at(3), {3, 1}, {{ReasonCode::kPanic, "h100", 1, 3, {}}}), 0);
         }),
         "i");
  ASSERT_EQ(instants.size(), 2U);
  EXPECT_EQ(instants[1]["name"], "1->4 Panic");
  EXPECT_EQ(instants[1]["ts"], 3e6);
  EXPECT_EQ(instants[1]["args"]["planned_replicas"], (Json{{"h100", 3}, {"l40s", 1}}));
}

TEST(ChromeTrace, RequestsAreSpansUpToTheBoundThenThoseThatMissed) {
  auto all = events([](TraceRecorder& r) {
    for (std::int64_t i = 1; i <= 3 * kTraceRequests; ++i) {
      r.request({.number = i,
                 .arrived = at(1),
                 .dispatched = at(2),
                 .first = at(3),
                 .ended = at(4),
                 .ending = workload::Ending::kCompleted,
                 .met = i % 3 != 0});
    }
  });
  auto begun = of(all, "b"), ended = of(all, "e");
  EXPECT_EQ(begun.size(), ended.size());
  std::int64_t requests = 0, missed_late = 0;
  for (const Json& b : begun) {
    if (b["name"] != "request") continue;
    ++requests;
    if (b["args"]["number"] > kTraceRequests) {
      ++missed_late;
      EXPECT_EQ(b["args"]["met"], false);
    }
  }
  EXPECT_EQ(requests, kTraceRequests + missed_late);
  EXPECT_LE(missed_late, kTraceRequests);
  EXPECT_NE(all.back()["args"]["labels"].get<std::string>().find(" requests not shown"),
            std::string::npos);
}

}  // namespace
}  // namespace tidegate::sim
