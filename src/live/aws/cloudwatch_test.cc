#include "live/aws/cloudwatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "live/aws/testing/fake_aws.h"

namespace tidegate::live::aws {
namespace {

using ::testing::HasSubstr;

class CloudWatch : public ::testing::Test {
 protected:
  std::string put(const std::vector<Metric>& metrics) {
    std::string said;
    put_metrics(client, WallTime::from_unix_nanos(1'767'323'045'000'000'000), metrics,
                [&](const AwsResult<None>& done) { said = done ? "done" : done.error().message; });
    EXPECT_TRUE(loop->run_until([&] { return !said.empty(); }, seconds(20)));
    return said;
  }
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpClient http{*loop};
  FakeAws aws{*loop};
  Client client{*loop, http, Wish{"", FakeAws::kRegion, aws.url()},
                [](const std::string& name) -> std::optional<std::string> {
                  if (name == "AWS_ACCESS_KEY_ID") return FakeAws::kKey;
                  if (name == "AWS_SECRET_ACCESS_KEY") return FakeAws::kSecret;
                  return std::nullopt;
                }};
};

TEST_F(CloudWatch, ValuesGoWithNameTimeAndDimensionsAndUnknownOnesDoNot) {
  EXPECT_EQ(put({{"LLMQueueDepth", 12, {{"Model", "m"}, {"Variant", "v"}}},
                 {"ReadyReplicas", std::numeric_limits<double>::quiet_NaN(), {}}}),
            "done");
  ASSERT_EQ(aws.metrics.size(), 1u);
  auto& form = aws.metrics[0];
  EXPECT_EQ(form["Namespace"], "Tidegate");
  EXPECT_EQ(form["MetricData.member.1.MetricName"], "LLMQueueDepth");
  EXPECT_EQ(form["MetricData.member.1.Value"], "12");
  EXPECT_EQ(form["MetricData.member.1.Timestamp"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(form["MetricData.member.1.Dimensions.member.2.Name"], "Variant");
  EXPECT_FALSE(form.contains("MetricData.member.2.MetricName"));
}

TEST_F(CloudWatch, AThousandGoInOneCallAndOneMoreInTwo) {
  for (std::size_t extra : {std::size_t{0}, std::size_t{1}}) {
    aws.metrics.clear();
    EXPECT_EQ(put(std::vector<Metric>(kMaxMetricsOfCall + extra, {"N", 1, {}})), "done");
    EXPECT_EQ(aws.metrics.size(), 1 + extra);
  }
}

TEST_F(CloudWatch, ARefusalSaysWhichRightIsMissing) {
  aws.denied = {"PutMetricData"};
  EXPECT_THAT(put({{"N", 1, {}}}), HasSubstr("allow cloudwatch:PutMetricData"));
}

TEST_F(CloudWatch, TargetTrackingFollowsWhatWaitsForEachReplica) {
  bool done = false;
  put_tracking_policy(client, tracking_policy("g", "m", 5),
                      [&](const AwsResult<None>& answer) { done = answer.has_value(); });
  aws.add_group("g");
  ASSERT_TRUE(loop->run_until([&] { return done; }, seconds(20)));
  const std::string list = "TargetTrackingConfiguration.CustomizedMetricSpecification.Metrics.";
  EXPECT_EQ(aws.policy["PolicyType"], "TargetTrackingScaling");
  EXPECT_EQ(aws.policy["TargetTrackingConfiguration.TargetValue"], "5");
  EXPECT_EQ(aws.policy[list + "member.1.MetricStat.Metric.MetricName"], "LLMQueueDepth");
  EXPECT_EQ(aws.policy[list + "member.3.ReturnData"], "true");
  EXPECT_EQ(aws.policy[list + "member.1.ReturnData"], "false") << "exactly one is returned";
}

}  // namespace
}  // namespace tidegate::live::aws
