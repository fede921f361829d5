#include "core/workload/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace tidegate::workload {
namespace {

using testing::HasSubstr;

Scenario sound() {
  Scenario s;
  s.name = "s";
  s.title = "A sound one.";
  s.duration = seconds(3'600);
  Part chat;
  chat.name = "chat";
  chat.shape = Steady{1};
  s.parts = {chat};
  spec::Model model;
  model.name = "m";
  model.served_names = {"org/m"};
  model.adapters = {{"sql", ""}};
  model.priority_classes = {{"interactive", 10}, {"batch", 1}};
  spec::Variant variant;
  variant.name = "h100";
  variant.hardware.accelerator = "h100";
  model.variants = {variant};
  s.models = {model};
  return s;
}

TEST(Scenario, ContradictionsNameTheirKeyAndTheWayOut) {
  struct Row {
    std::string label;
    std::function<void(Scenario&)> change;
    std::string path, said;
  };
  const Row rows[] = {
      {"made requests without an end", [](Scenario& s) { s.duration = Duration(0); },
       "spec.duration", "need a duration above 0s"},
      {"a part that begins after the end", [](Scenario& s) { s.parts[0].from = seconds(3'600); },
       "spec.workload.parts[0].from", "duration is 1h"},
      {"a part that ends before it begins",
       [](Scenario& s) {
         s.parts[0].from = seconds(60);
         s.parts[0].until = seconds(60);
       },
       "spec.workload.parts[0].until", "after from"},
      {"two parts of one name", [](Scenario& s) { s.parts.push_back(s.parts[0]); },
       "spec.workload.parts[1].name", "names must differ"},
      {"a ramp that ends where it begins", [](Scenario& s) { s.parts[0].shape = Ramp{}; },
       "spec.workload.parts[0].ramp.end", "write step"},
      {"a night busier than the day",
       [](Scenario& s) { s.parts[0].shape = Diurnal{.low = 3, .high = 2}; },
       "spec.workload.parts[0].diurnal.high", "high (2) is below low (3)"},
      {"a peak after midnight",
       [](Scenario& s) { s.parts[0].shape = Diurnal{.day = seconds(3'600)}; },
       "spec.workload.parts[0].diurnal.peakAt", "1h long"},
      {"a p90 below the median",
       [](Scenario& s) {
         s.parts[0].lengths.prompt = TokenSpread{.p50 = 9, .p90 = 8, .max = std::nullopt};
       },
       "spec.workload.parts[0].lengths.prompt.p90", "p90 (8) is below p50 (9)"},
      {"a bound below the median",
       [](Scenario& s) {
         s.parts[0].lengths.output = TokenSpread{.p50 = 9, .p90 = std::nullopt, .max = 8};
       },
       "spec.workload.parts[0].lengths.output.max", "max (8) is below p50 (9)"},
      {"a prefix shorter than a block",
       [](Scenario& s) { s.parts[0].prefixes = PrefixGroups{.tokens = 15}; },
       "spec.workload.parts[0].prefixes.tokens", "block of 16"},
      {"blocks of two sizes",
       [](Scenario& s) {
         s.parts.push_back(s.parts[0]);
         s.parts[1].name = "other";
         s.parts[0].prefixes = PrefixGroups{};
         s.parts[1].prefixes = PrefixGroups{.block_tokens = 32};
       },
       "spec.workload.parts[1].prefixes.blockTokens", "above it is 16"},
      {"shares above 1",
       [](Scenario& s) {
         s.parts[0].tenants = {{"a", 0.7}, {"b", 0.4}};
       },
       "spec.workload.parts[0].tenants", "add up to 1.1"},
      {"a tenant twice",
       [](Scenario& s) {
         s.parts[0].tenants = {{"a", 0.1}, {"a", 0.1}};
       },
       "spec.workload.parts[0].tenants[1].name", "there already"},
      {"a class nobody has",
       [](Scenario& s) {
         s.parts[0].priorities = {{"low", 1}};
       },
       "spec.workload.parts[0].priorities[0].name", "there is batch, interactive"},
      {"an adapter nobody has",
       [](Scenario& s) {
         s.parts[0].adapters = {{"sqk", 1}};
       },
       "spec.workload.parts[0].adapters[0].name", "there is sql"},
      {"a model nobody serves",
       [](Scenario& s) {
         s.parts[0].models = {{"x", 1}};
       },
       "spec.workload.parts[0].models[0].name", "there is m, org/m"},
      {"several models and no word on which is asked",
       [](Scenario& s) {
         s.models.push_back(s.models[0]);
         s.models[1].name = "n";
       },
       "spec.workload.parts[0]", "models: [{name: m, share: 1}]"},
      {"models with other classes",
       [](Scenario& s) {
         s.models.push_back(s.models[0]);
         s.models[1].name = "n";
         s.models[1].priority_classes.pop_back();
         s.parts[0].models = {{"m", 0.5}, {"n", 0.5}};
       },
       "spec", "model \"n\" has other priority classes"},
      {"a part of a trace that is empty",
       [](Scenario& s) {
         s.parts.clear();
         s.trace = TraceSource{.path = "t", .until = Duration(0)};
       },
       "spec.workload.trace.until", "after from"},
      {"a stock-out that is over before it begins",
       [](Scenario& s) { s.faults.stock_outs = {{.from = seconds(2), .until = seconds(1)}}; },
       "spec.faults.stockOuts[0].until", "after from"},
      {"an outage of no time",
       [](Scenario& s) {
         s.faults.scrape_outages = {{seconds(1), seconds(1)}};
       },
       "spec.faults.scrapeOutages[0].until", "after from"},
      {"a fault of a variant nobody has",
       [](Scenario& s) { s.faults.reclaims = {{.model = "m", .variant = "h1000"}}; },
       "spec.faults.reclaims[0].variant", "there is h100"},
      {"a fault of a model nobody has", [](Scenario& s) { s.faults.spot = {{.model = "mm"}}; },
       "spec.faults.spot[0].model", "there is m"},
      {"a pool of devices nobody uses",
       [](Scenario& s) {
         s.faults.pools = {{"a100", 4}};
       },
       "spec.faults.pools[0].accelerator", "there is h100"},
      {"a pool twice",
       [](Scenario& s) {
         s.faults.pools = {{"h100", 4}, {"h100", 8}};
       },
       "spec.faults.pools[1].accelerator", "already"},
  };
  EXPECT_TRUE(validate(sound()).empty());
  for (const Row& row : rows) {
    Scenario scenario = sound();
    row.change(scenario);
    auto findings = validate(scenario);
    ASSERT_EQ(findings.size(), 1u) << row.label;
    EXPECT_TRUE(findings[0].error) << row.label;
    EXPECT_EQ(findings[0].path, row.path) << row.label;
    EXPECT_THAT(findings[0].message, HasSubstr(row.said)) << row.label;
  }
}

TEST(Scenario, SharesThatAreOneInDecimalAreAccepted) {
  Scenario s = sound();
  s.parts[0].tenants.clear();
  for (char name = 'a'; name < 'k'; ++name)
    s.parts[0].tenants.push_back({std::string(1, name), 0.1});
  EXPECT_TRUE(validate(s).empty());
}

TEST(Scenario, WhatIsMadeCarriesTheClassesOfTheModels) {
  Scenario s = sound();
  s.models.insert(s.models.begin(), spec::Model{});
  s.models[0].name = "first, without classes";
  EXPECT_THAT(s.made().priority_classes, testing::ElementsAre("interactive", "batch"));
  EXPECT_EQ(s.made().duration, s.duration);
  EXPECT_EQ(s.made().parts, s.parts);
}

TEST(Scenario, EveryKeyIsDocumentedOnceAndBound) {
  std::set<std::string> seen;
  spec::for_each_option(
      scenario_section(), "spec",
      [&](std::string_view path, const spec::Section& section, const spec::Option& row) {
        EXPECT_TRUE(seen.insert(std::string(path)).second) << path;
        EXPECT_TRUE(row.doc.ends_with('.')) << path;
        EXPECT_NE(section.defaults, nullptr) << path;
        bool object = row.kind == spec::Kind::kObject || row.kind == spec::Kind::kObjectList;
        EXPECT_EQ(object, row.section != nullptr) << path;
        EXPECT_TRUE(object ? row.bind.child != nullptr : row.bind.set && row.bind.get) << path;
      });
  EXPECT_GT(seen.size(), 90u);
}

}  // namespace
}  // namespace tidegate::workload
