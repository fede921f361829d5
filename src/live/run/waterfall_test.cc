#include "live/run/waterfall.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;

Json took(double p50, double p90) { return {{"p50Seconds", p50}, {"p90Seconds", p90}}; }

Json status_of(Json states, int distrusted = 0) {
  Json variant = {{"variant", "h100"},
                  {"coldStarts", {{"states", std::move(states)}, {"distrusted", distrusted}}}};
  return {{"results", {{{"model", "m"}, {"variants", {variant}}}}}};
}

TEST(Waterfall, ShowsEachStageBehindTheOneBefore) {
  Json stages = {{"procurement", took(0, 0)}, {"image", nullptr},        {"weights", took(20, 30)},
                 {"engine", took(40, 50)},    {"compile", took(20, 20)}, {"graphs", took(10, 10)},
                 {"total", took(60, 80)}};
  Json prior = {{"procurement", nullptr}, {"weights", took(25, 25)}, {"total", took(90, 100)}};
  Json states =
      Json::array({{{"from", "noNode"}, {"starts", 3}, {"stages", stages}, {"prior", prior}}});
  EXPECT_EQ(waterfall_text(status_of(states)),
            "m / h100  no node: 3 starts                                    p50       p90       "
            "spec p50/p90\n"
            "  procurement                                                 0.0s      0.0s         "
            "-        -\n"
            "  image                                                          -         -         "
            "-        -\n"
            "  weights       ########----                                 20.0s     30.0s     "
            "25.0s    25.0s\n"
            "  engine                ################----                 40.0s     50.0s         "
            "-        -\n"
            "    compile             ########                             20.0s     20.0s         "
            "-        -\n"
            "    graphs                      ####                         10.0s     10.0s         "
            "-        -\n"
            "  total         ########################--------             60.0s     80.0s     "
            "90.0s   100.0s\n"
            "\n");
}

TEST(Waterfall, WhatNobodySawIsALineOfItsOwn) {
  Json states = Json::array({{{"from", "cold"},
                              {"starts", 1},
                              {"stages", {{"procurement", took(10, 10)}, {"total", took(40, 40)}}},
                              {"prior", Json::object()}}});
  const std::string text = waterfall_text(status_of(states, 2));
  EXPECT_NE(text.find("cold: 1 start "), std::string::npos) << text;
  EXPECT_NE(text.find("  not seen                ##############################     30.0s"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("m / h100: 2 starts of no or absurd length not believed\n"),
            std::string::npos)
      << text;
}

TEST(Waterfall, MissingAndAbsurdValuesLeaveLines) {
  struct Row {
    const char* label;
    Json status;
    bool empty;
  };
  Json cold = {{"from", "cold"}, {"starts", 0}, {"stages", {{"total", nullptr}}}};
  Json huge = {{"from", "sleeping"},
               {"starts", 1},
               {"stages", {{"weights", took(500, 700)}, {"total", took(-5, 1e300)}}}};
  for (const Row& row : {
           Row{"nothing at all", Json::object(), true},
           Row{"no models", {{"results", Json::array()}}, true},
           Row{"a variant of an older run",
               {{"results", {{{"variants", {{{"variant", "a"}}}}}}}},
               true},
           Row{"a state without a start", status_of(Json::array({cold})), false},
           Row{"stages beyond their total", status_of(Json::array({huge})), false},
       }) {
    SCOPED_TRACE(row.label);
    const std::string text = waterfall_text(row.status);
    EXPECT_EQ(text.empty(), row.empty) << text;
    EXPECT_LT(text.size(), 4'000U) << "bars end at their column";
  }
}

TEST(Waterfall, ForProgramsOneEntryAVariant) {
  const Json out = cold_starts_of(status_of(Json::array()));
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0]["model"], "m");
  EXPECT_EQ(out[0]["variant"], "h100");
  EXPECT_EQ(out[0]["coldStarts"]["distrusted"], 0);
}

}  // namespace
}  // namespace tidegate::live
