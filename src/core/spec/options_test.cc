#include "core/spec/options.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "core/spec/full_model_for_test.h"

namespace tidegate::spec {
namespace {

/// Copies what the table reaches, and nothing else.
void copy(const Section& section, const void* from, void* to) {
  for (const Option& row : section.options) {
    if (row.kind == Kind::kObject) {
      if (const void* child = row.bind.view(from)) copy(*row.section, child, row.bind.child(to));
    } else if (row.kind == Kind::kObjectList) {
      for (std::size_t i = 0; i < row.bind.size(from); ++i) {
        copy(*row.section, row.bind.item(from, i), row.bind.child(to));
      }
    } else if (Value value = row.bind.get(from); !std::holds_alternative<std::monostate>(value)) {
      row.bind.set(to, value);
    }
  }
}

TEST(OptionTable, ReachesEveryMemberOfAModel) {
  Model from = full_model();
  Model to;
  copy(model_section(), &from, &to);
  to.name = from.name;                                              // metadata.name
  to.scaling.schedule[0].fields = from.scaling.schedule[0].fields;  // derived from cron
  EXPECT_EQ(to, from);
}

TEST(OptionTable, EveryRowIsDocumentedAndBound) {
  for_each_option(
      model_section(), "spec",
      [](std::string_view path, const Section& section, const Option& row) {
        SCOPED_TRACE(path);
        EXPECT_FALSE(section.doc.empty());
        EXPECT_GE(row.doc.size(), 8u);
        EXPECT_TRUE(row.doc.ends_with('.'));
        EXPECT_TRUE(row.key.find_first_of("_- ") == std::string_view::npos && row.key[0] >= 'a')
            << "camelCase";
        bool object = row.kind == Kind::kObject, list = row.kind == Kind::kObjectList;
        EXPECT_EQ(row.section != nullptr, object || list);
        EXPECT_EQ(row.bind.child != nullptr, object || list);
        EXPECT_EQ(row.bind.set != nullptr && row.bind.get != nullptr, !object && !list);
        EXPECT_EQ(!row.tokens.empty(), row.kind == Kind::kEnum || row.kind == Kind::kPolicy);
        EXPECT_LE(row.range.min, row.range.max);
      });
}

TEST(OptionTable, KeysAreUniqueInTheirSectionAndPathsOverall) {
  std::set<std::string> paths;
  for_each_option(model_section(), "spec",
                  [&](std::string_view path, const Section&, const Option&) {
                    EXPECT_TRUE(paths.insert(std::string(path)).second) << path;
                  });
  for (const char* knob :
       {"spec.variants[].minReplicas", "spec.variants[].maxReplicas", "spec.scaling.window",
        "spec.scaling.scaleDownDelay", "spec.scaling.concurrencyTarget"}) {
    EXPECT_TRUE(paths.contains(knob)) << knob;
  }
}

TEST(OptionTable, EveryDefaultIsAccepted) {
  for_each_option(model_section(), "spec",
                  [](std::string_view path, const Section& section, const Option& row) {
                    if (row.bind.get == nullptr || row.required) return;
                    Value value = default_value(section, row);
                    bool nothing = std::holds_alternative<std::monostate>(value) ||
                                   value == Value(std::string()) || value == Value(Duration{0}) ||
                                   value == Value(Spread{});
                    EXPECT_EQ(nothing ? "" : check(row, value), "") << path;
                    EXPECT_TRUE(value != Value() || !row.unset.empty())
                        << path << " says nothing of its absence";
                  });
}

struct CheckRow {
  const char* label;
  Option option;
  Value value;
  const char* fault;
};

TEST(Check, HoldsValuesAgainstTheirRow) {
  const Option number = Option{.kind = Kind::kNumber}.above(0, 1);
  const Option time = Option{.kind = Kind::kDuration}.between(1, 60);
  const Option label{.kind = Kind::kLabel};
  const Option list = Option{.kind = Kind::kStringList}.at_most(2).needed();
  const Option policy{.kind = Kind::kPolicy};
  const CheckRow rows[] = {
      {"an open bound is refused itself", number, 0.0, "is too small"},
      {"just above an open bound", number, 1e-300, ""},
      {"a closed bound is accepted", number, 1.0, ""},
      {"past a closed bound", number, 1.0000001, "is too large"},
      {"infinity", number, std::numeric_limits<double>::infinity(), "is not finite"},
      {"not a number", number, std::numeric_limits<double>::quiet_NaN(), "is not finite"},
      {"a duration at its least", time, seconds(1), ""},
      {"a duration below its least", time, seconds(1) - nanos(1), "is too small"},
      {"a spread the wrong way round", time, Spread{seconds(3), seconds(2), {}},
       "has its p90 below its p50"},
      {"a sample out of range", time, Spread{seconds(3), seconds(4), {seconds(61)}},
       "holds a sample that is too large"},
      {"63 characters", label, std::string(63, 'a'), ""},
      {"64 characters", label, std::string(64, 'a'), "must have at most 63 characters"},
      {"a capital letter", label, std::string("A"),
       "may hold only a-z, 0-9 and '-' (an RFC 1123 label)"},
      {"a hyphen at the end", label, std::string("a-"),
       "must begin and end with a letter or digit"},
      {"no text", label, std::string(), "must not be empty"},
      {"as many items as are allowed", list, std::vector<std::string>(2, "x"), ""},
      {"one item too many", list, std::vector<std::string>(3, "x"), "must have at most 2 items"},
      {"no item where one is needed", list, std::vector<std::string>{}, "must not be empty"},
      {"an empty item", list, std::vector<std::string>{""}, "must not hold an empty text"},
      {"static: half a replica", policy, PolicyChoice{PolicyKind::kStatic, 0.5},
       "needs a knob from 0 to 10000, a whole number of replicas"},
      {"static: none", policy, PolicyChoice{PolicyKind::kStatic, 0}, ""},
      {"oracle: all", policy, PolicyChoice{PolicyKind::kOracle, 1},
       "needs a knob above 0 and below 1, the share of requests to meet"},
      {"keda: zero", policy, PolicyChoice{PolicyKind::kKeda, 0}, "needs a knob above 0"},
      {"tide: any", policy, PolicyChoice{PolicyKind::kTide, 3}, "has no knob: tide learns its own"},
      {"saturation: more than all KV", policy, PolicyChoice{PolicyKind::kSaturation, 1.1},
       "needs a knob above 0 and at most 1, a share"},
      {"planner: all of the bound", policy, PolicyChoice{PolicyKind::kPlanner, 1}, ""},
      {"concurrency: below one", policy, PolicyChoice{PolicyKind::kConcurrency, 0.5},
       "needs a knob from 1 to 100000, requests per replica"},
  };
  for (const CheckRow& row : rows) EXPECT_EQ(check(row.option, row.value), row.fault) << row.label;
}

TEST(Text, DurationsAreShortestAndExact) {
  EXPECT_EQ(duration_text(seconds(90)), "1m30s");
  EXPECT_EQ(duration_text(seconds(0)), "0s");
  EXPECT_EQ(duration_text(millis(1'500)), "1s500ms");
  EXPECT_EQ(duration_text(seconds(7 * 86'400)), "7d");
  EXPECT_EQ(duration_text(nanos(1)), "1ns");
  EXPECT_EQ(duration_text(seconds(-90)), "-1m30s");
}

TEST(Text, NumbersHaveNoExponentInEverydaySizes) {
  EXPECT_EQ(number_text(0.7), "0.7");
  EXPECT_EQ(number_text(1e12), "1000000000000");
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(1e300), "1e+300");
}

}  // namespace
}  // namespace tidegate::spec
