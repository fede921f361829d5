#include "format/promql.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace tidegate::format {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = PromqlAnswer::Kind;

TEST(PromqlAnswer, AVectorHasLabelsAValueAndTheTimeOfTheQuestion) {
  auto answer = PromqlAnswer::parse(
      R"({"status":"success","data":{"resultType":"vector","result":[
          {"metric":{"__name__":"up","job":"m\"x"},"value":[1767323045.781,"1.5"]},
          {"metric":{},"value":[1767323045,"NaN"]},
          {"metric":{},"value":[1767323045,"-Inf"]},
          {"metric":{},"histogram":[1767323045,{"count":"1"}]}]},"warnings":["slow","partial"]})");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->kind(), Kind::kVector);
  ASSERT_EQ(answer->size(), 4U);
  SampleLine line;
  ASSERT_TRUE(answer->read(0, line));
  EXPECT_EQ(line.value, 1.5);
  EXPECT_EQ(line.timestamp, WallTime::from_unix_nanos(1767323045'781'000'000));
  EXPECT_EQ(line.label("__name__"), "up");
  EXPECT_EQ(line.label("job"), "m\"x");
  EXPECT_EQ(line.label("pod"), "");
  ASSERT_TRUE(answer->read(1, line));
  EXPECT_TRUE(std::isnan(line.value));
  EXPECT_EQ(line.label_count, 0U) << "nothing is left of the series before";
  ASSERT_TRUE(answer->read(2, line));
  EXPECT_TRUE(std::isinf(line.value));
  EXPECT_FALSE(answer->read(3, line)) << "a native histogram is no number";
  EXPECT_THAT(answer->warnings(), ElementsAre("slow", "partial"));
}

TEST(PromqlAnswer, OfAMatrixTheNewestSampleCounts) {
  auto answer = PromqlAnswer::parse(
      R"({"status":"success","data":{"resultType":"matrix","result":[
          {"metric":{"a":"b"},"values":[[1767323045,"1"],[1767323060.5,"2"]]},
          {"metric":{"a":"c"},"values":[]}]}})");
  ASSERT_TRUE(answer) << answer.error().message;
  SampleLine line;
  ASSERT_TRUE(answer->read(0, line));
  EXPECT_EQ(line.value, 2);
  EXPECT_EQ(line.timestamp, WallTime::from_unix_nanos(1767323060'500'000'000));
  EXPECT_FALSE(answer->read(1, line));
}

TEST(PromqlAnswer, AScalarIsOneNumberAndAnEmptyResultIsNone) {
  auto scalar = PromqlAnswer::parse(
      R"({"status":"success","data":{"resultType":"scalar","result":[1767323045,"3.2"]}})");
  ASSERT_TRUE(scalar);
  SampleLine line;
  ASSERT_EQ(scalar->size(), 1U);
  ASSERT_TRUE(scalar->read(0, line));
  EXPECT_EQ(line.value, 3.2);
  auto empty =
      PromqlAnswer::parse(R"({"status":"success","data":{"resultType":"vector","result":[]}})");
  ASSERT_TRUE(empty) << "no series is no error";
  EXPECT_EQ(empty->size(), 0U);
}

TEST(PromqlAnswer, WhatIsNoAnswerIsAnErrorThatShowsIt) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:3"})",
       "bad_data: invalid parameter \"query\": 1:3"},
      {"<html>Bad Gateway</html>", "no answer of a Prometheus: \"<html>Bad"},
      {"", "no answer of a Prometheus"},
      {"[]", "no answer of a Prometheus"},
      {R"({"status":"success"})", "no answer"},
      {R"({"status":"success","data":{"resultType":"streams","result":[]}})", "no answer"},
      {R"({"status":"success","data":{"resultType":"vector","result":{}}})", "no answer"},
  };
  for (const auto& [body, message] : rows) {
    auto answer = PromqlAnswer::parse(body);
    ASSERT_FALSE(answer) << body;
    EXPECT_THAT(answer.error().message, HasSubstr(message)) << body;
  }
}

TEST(PromqlAnswer, SeriesOfAWrongShapeAreNotRead) {
  for (const char* series :
       {R"({"value":[1,"1"]})", R"({"metric":{},"value":["1","1"]})",
        R"({"metric":{"a":1},"value":[1,"1"]})", R"({"metric":{},"value":[1,"one"]})",
        R"({"metric":{},"value":[1e300,"1"]})", R"({"metric":{},"value":[1]})", R"("x")"}) {
    auto answer = PromqlAnswer::parse(
        std::string(R"({"status":"success","data":{"resultType":"vector","result":[)") + series +
        "]}}");
    ASSERT_TRUE(answer) << series;
    SampleLine line;
    EXPECT_FALSE(answer->read(0, line)) << series;
  }
}

TEST(PromqlSelectors, AreTheNamesThatNoRuleMakesSomethingElse) {
  struct Row {
    const char* query;
    std::vector<std::string> selectors;
  };
  const Row rows[] = {
      {"up", {"up"}},
      {"sum(rate(my_tokens_total[1m]))", {"my_tokens_total"}},
      {"sum by (pod, job) (x{a=\"b\"}) / on (pod) group_left (node) y", {"x{a=\"b\"}", "y"}},
      {"sum(x) BY (pod) OR vector(0)", {"x"}},
      {"avg without (instance) (vllm:num_requests_waiting{pod=~\"a|}b\"} offset 5m)",
       {"vllm:num_requests_waiting{pod=~\"a|}b\"}"}},
      {"{__name__=~\"a|b\", job='x'}[5m]", {"{__name__=~\"a|b\", job='x'}"}},
      {"x {a=\"b\"} + x{a=\"b\"}", {"x {a=\"b\"}", "x{a=\"b\"}"}},
      {"x + x * 1e3 - 0x1F", {"x"}},
      {"max_over_time(x[10m:30s] @ end()) > bool 2", {"x"}},
      {"histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))", {"h_bucket"}},
      {"label_replace(x, \"a\", \"y\", \"b\", `z\\`)", {"x"}},
      {"x # and not y\n + z", {"x", "z"}},
      {"vector(1) + time()", {}},
      {"inf + NaN", {}},
      {"sum_of_things", {"sum_of_things"}},
      {"by{a=\"1\"}", {"by{a=\"1\"}"}},
      {"x{a=\"unclosed", {"x{a=\"unclosed"}},
  };
  for (const Row& row : rows) EXPECT_EQ(promql_selectors(row.query), row.selectors) << row.query;
}

TEST(PromqlSelectors, TakesTheMostAllowedAndLeavesOutTheNext) {
  std::string query = "m0";
  for (std::size_t i = 1; i <= kMaxSelectors; ++i) query += " + m" + std::to_string(i);
  EXPECT_EQ(promql_selectors(query).size(), kMaxSelectors);
}

TEST(Promql, AsksForTheOldestOfAllSelectors) {
  EXPECT_EQ(promql_oldest({"a", "b{c=\"d\"}"}),
            "min(label_replace(min(timestamp(a)),\"of\",\"0\",\"\",\"\") or "
            "label_replace(min(timestamp(b{c=\"d\"})),\"of\",\"1\",\"\",\"\"))");
}

TEST(Promql, APageAsksForTheDialectsNamesAndIsReadAsOne) {
  const PageReader reader(signal::dialect(signal::DialectId::kTgi), {});
  EXPECT_EQ(promql_page(reader, "job=\"x\"", seconds(60)),
            "{__name__=~\"tgi_batch_current_size|tgi_queue_size|tgi_batch_max_total_tokens|tgi_"
            "request_success|"
            "tgi_request_input_length_sum|tgi_request_generated_tokens_sum\",job=\"x\"}[60000ms]");
  EXPECT_THAT(promql_page(reader, "", millis(1500)), HasSubstr("_sum\"}[1500ms]"));
  signal::Page page(reader.dialect());
  SampleLine line;
  line.value = 7;
  reader.add("tgi_queue_size", line, page);
  reader.add("tgi_queue_size_of_another", line, page);
  EXPECT_EQ(page.value(signal::SignalId::kWaitingRequests), 7);
}

}  // namespace
}  // namespace tidegate::format
