#include "format/tape.h"

#include <gtest/gtest.h>

#include <vector>

#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

constexpr const char* kSpec = R"(apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: m}
spec:
  scaling: {policy: concurrency, window: 10s, scaleDownDelay: 30s, concurrencyTarget: 2}
  variants:
    - {name: v, maxReplicas: 4, coldStart: {engine: {samples: away.csv}}}
)";

Instant at(double s) { return Instant::from_nanos(0) + seconds_f(s); }

/// A small life of one model, taped as live does it.
std::vector<std::string> record(const std::string& name = "m") {
  std::vector<std::string> lines;
  TapeWriter tape(
      [&](std::string_view line) { lines.emplace_back(line.substr(0, line.size() - 1)); });
  auto loaded = load_recorded_spec(kSpec, "t.yaml").models.at(0);
  loaded.model.name = name;
  control::Controller controller(loaded.model, loaded.hash, {});
  route::Options options;
  route::Router router(options);
  tape.model(name, loaded.yaml, loaded.hash, {}, options);
  for (int i = 0; i < 40; ++i) {
    const Instant now = at(i);
    std::vector<route::Action> routed;
    route::Event arrived = route::Arrived{.id = RequestId(static_cast<std::uint64_t>(i) + 1),
                                          .prompt = Tokens(100 + i),
                                          .bytes = 400};
    router.handle(arrived, now, routed);
    tape.route(name, arrived, now, routed);
    control::Observed seen;
    seen.observation.model = name;
    seen.observation.at = now;
    seen.observation.gateway = {1, now, signal::Source::kGateway, signal::Freshness::kFresh, 1};
    seen.observation.demand = router.demand(now);
    seen.observation.variants.push_back({.variant = "v"});
    std::vector<control::Action> decided;
    control::Event event = seen;
    controller.handle(event, now, decided);
    tape.control(name, event, now, decided);
  }
  return lines;
}

Result<TapeReport> play(const std::vector<std::string>& lines) {
  std::size_t next = 0;
  return replay_tape([&](std::string& line) {
    if (next == lines.size()) return false;
    line = lines[next++];
    return true;
  });
}

TEST(Tape, ReplayedThroughTheCoreItGivesTheSameActions) {
  auto lines = record();
  auto report = play(lines);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->difference, "");
  EXPECT_EQ(report->events, 80u);
  EXPECT_GT(report->actions, 0u);
  EXPECT_FALSE(report->cut_short);
}

TEST(Tape, AModelOfOneOfSeveralNamespacesIsReplayedUnderItsName) {
  auto report = play(record("serve/m"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->difference, "");
  EXPECT_GT(report->actions, 0u);
}

TEST(Tape, AnActionThatDiffersIsFoundWithItsLine) {
  auto lines = record();
  for (auto& line : lines) {
    if (auto where = line.find(R"({"variant":"v","replicas":)"); where != std::string::npos) {
      line.replace(where, 26, R"({"variant":"w","replicas":)");
      break;
    }
  }
  auto report = play(lines);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_NE(report->difference, "");
  EXPECT_NE(report->difference.find("line "), std::string::npos);
}

TEST(Tape, ALineCutShortAtTheEndIsSaidAndTheRestCounts) {
  auto lines = record();
  lines.back().resize(lines.back().size() / 2);
  auto report = play(lines);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->cut_short);
  EXPECT_EQ(report->events, 79u);
}

TEST(Tape, WhatCannotBeReplayedIsAnError) {
  auto lines = record();
  auto missing = lines;
  missing.erase(missing.begin() + 5);
  auto garbage = lines;
  garbage[5] = "not JSON";
  auto headless = lines;
  headless.erase(headless.begin());
  struct Row {
    const char* label;
    std::vector<std::string> lines;
    const char* says;
  };
  for (const Row& row : {Row{"nothing", {}, "empty"}, Row{"a line is missing", missing, "missing"},
                         Row{"garbage in the middle", garbage, "not JSON"},
                         Row{"JSON of another kind", {"{\"a\": 1}", "{}"}, "run --tape"},
                         Row{"no spec first", headless, "missing"}}) {
    auto report = play(row.lines);
    ASSERT_FALSE(report) << row.label;
    EXPECT_NE(report.error().message.find(row.says), std::string::npos)
        << row.label << ": " << report.error().message;
  }
}

}  // namespace
}  // namespace tidegate::format
