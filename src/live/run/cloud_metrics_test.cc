#include "live/run/cloud_metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "live/aws/testing/fake_aws.h"
#include "live/net/log.h"
#include "live/run/runner.h"

namespace tidegate::live {
namespace {

std::string spec_of(const aws::FakeAws& aws, const std::string& keys) {
  return "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\nspec:\n"
         "  slo: {ttft: {p99: 2s}}\n  scaling: {policy: concurrency}\n  variants:\n"
         "    - name: v\n      minReplicas: 0\n      maxReplicas: 2\n"
         "      target: {awsAutoScalingGroup: {name: g, region: eu-central-1, endpoint: \"" +
         aws.url() + "\"" + keys + "}}\n";
}

class CloudMetricsTest : public ::testing::Test {
 protected:
  CloudMetricsTest() {
    net::configure_log(net::Level::kError, net::LogFormat::kText);
    std::string pattern = (std::filesystem::temp_directory_path() / "cloud-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    aws.add_group("g");
    ::setenv("AWS_ACCESS_KEY_ID", aws::FakeAws::kKey, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", aws::FakeAws::kSecret, 1);
  }
  ~CloudMetricsTest() override {
    std::filesystem::remove_all(folder);
    ::unsetenv("AWS_ACCESS_KEY_ID");
    ::unsetenv("AWS_SECRET_ACCESS_KEY");
  }
  std::unique_ptr<Runner> runner_with(const std::string& keys) {
    RunOptions options;
    options.files = {folder + "/m.yaml"};
    options.gateway.port = options.admin.port = 0;
    options.state_dir = folder + "/state";
    std::ofstream(options.files[0]) << spec_of(aws, keys);
    auto runner = Runner::create(*loop, options);
    EXPECT_TRUE(runner) << (runner ? "" : runner.error().message);
    return std::move(*runner);
  }

  std::string folder;
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpClient http{*loop};
  aws::FakeAws aws{*loop};
  aws::Accounts accounts{*loop, http};
};

TEST_F(CloudMetricsTest, WhatIsKnownOfAModelIsPublishedAndWhatIsNotIsLeftOut) {
  auto runner = runner_with(", publishMetrics: true");
  CloudMetrics metrics(*loop, accounts, [&] { return &runner->models(); });
  metrics.publish();
  ASSERT_TRUE(loop->run_until([&] { return aws.metrics.size() == 1; }, seconds(20)));
  EXPECT_EQ(aws.metrics[0]["MetricData.member.1.MetricName"], "ReadyReplicas")
      << "nothing was observed yet: no queue, and no decision";
  EXPECT_FALSE(aws.metrics[0].contains("MetricData.member.2.MetricName"));

  runner->begin();
  const ModelRun& model = *runner->models()[0];
  ASSERT_TRUE(loop->run_until([&] { return model.decided(); }, seconds(20)));
  metrics.publish();
  ASSERT_TRUE(loop->run_until([&] { return aws.metrics.size() == 2; }, seconds(20)));
  auto& form = aws.metrics[1];
  EXPECT_EQ(form["MetricData.member.1.MetricName"], "LLMQueueDepth");
  EXPECT_EQ(form["MetricData.member.1.Value"], "0") << "known at the gateway to be empty";
  EXPECT_EQ(form["MetricData.member.1.Dimensions.member.1.Value"], "m");
  EXPECT_EQ(form["MetricData.member.3.MetricName"], "DesiredReplicas");
  EXPECT_EQ(form["MetricData.member.3.Dimensions.member.2.Value"], "v");
}

TEST_F(CloudMetricsTest, NothingIsPublishedUnasked) {
  auto runner = runner_with("");
  CloudMetrics metrics(*loop, accounts, [&] { return &runner->models(); });
  metrics.publish();
  loop->run_for(millis(5));
  EXPECT_EQ(aws.count("PutMetricData"), 0);
}

TEST_F(CloudMetricsTest, WhoDoesNotLeadPublishesNothing) {
  CloudMetrics metrics(*loop, accounts,
                       []() -> const std::vector<std::unique_ptr<ModelRun>>* { return nullptr; });
  metrics.publish();
  loop->run_for(millis(5));
  EXPECT_EQ(aws.count("PutMetricData"), 0);
}

}  // namespace
}  // namespace tidegate::live
