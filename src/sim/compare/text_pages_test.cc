// Through text or not: a world comes to the same end, to the byte.

#include "sim/compare/text_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/policy/policy.h"
#include "core/workload/generator.h"
#include "format/spec_yaml.h"
#include "sim/compare/results.h"
#include "sim/compare/simulate.h"
#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

TEST(TextPages, ServesVllmsNames) {
  TextPages pages;
  const signal::Page& page = pages(
      {.running = 7, .waiting = 3, .kv_usage = 1.0 / 3, .generation_tokens_total = 1LL << 40});
  EXPECT_THAT(
      pages.text(),
      testing::HasSubstr("vllm:num_requests_running{engine=\"0\",model_name=\"simulated\"} 7.0\n"));
  EXPECT_EQ(page.value(signal::SignalId::kRunningRequests), 7);
  EXPECT_EQ(page.value(signal::SignalId::kWaitingRequests), 3);
  EXPECT_EQ(page.value(signal::SignalId::kKvUsage), 1.0 / 3) << "every digit is written";
  EXPECT_EQ(page.value(signal::SignalId::kOutputTokens), static_cast<double>(1LL << 40));
}

/// Every built policy on a flash crowd with things going wrong, as `simulate` would print it, and
/// every decision's reasons.
std::string bytes(Front front, Pages pages) {
  SimulateOptions options;
  spec::Model model = model_with(1, 6);
  model.variants[0].profile.kv_tokens = 60'000;
  model.scaling.scale_down_delay = seconds(60);
  model.scaling.concurrency_target = 16;
  model.slo.ttft = {{0.9, seconds(2)}};
  model.slo.itl = {{0.9, millis(40)}};
  options.models = {model};
  for (std::string_view name : EnumTokens<spec::PolicyKind>::kTokens) {
    auto choice = format::parse_policy(std::string(name));
    if (choice && policy::is_built(choice->policy)) {
      options.policies.push_back({std::string(name), *choice});
    }
  }
  workload::Workload load{
      .duration = seconds(900),
      .parts = {{.name = "crowd",
                 .shape = workload::FlashCrowd{.rate = 1, .factor = 12, .at = seconds(200)}}}};
  options.open = [load]() -> Result<std::unique_ptr<workload::Stream>> {
    return std::make_unique<workload::Generator>(load, 3);
  };
  options.clock = [] { return Instant(); };
  options.front = front;
  options.pages = pages;
  options.faults.scrape_loss = 0.1;
  options.faults.spot = {{.mean_life = seconds(300), .notice = seconds(5)}};
  struct Log : Recorder {
    std::string lines;
    void decision(const control::Decision& d, std::int64_t repeats) override {
      lines += std::to_string(repeats) + ":";
      for (const Reason& reason : d.reasons) {
        lines += std::string(token(reason.code)) + std::to_string(reason.after) + " ";
        for (const Evidence& e : reason.evidence) lines += std::to_string(e.value) + ",";
      }
    }
  } log;
  options.recorder = [&](const std::string&, const spec::Model&) { return &log; };
  auto result = simulate(options);
  if (!result) return result.error().message;
  std::string out;
  for (const auto& policy : result->policies) out += to_json(policy).dump() + "\n";
  return out + log.lines;
}

TEST(TextPages, EveryPolicyComesToTheSameEndThroughText) {
  for (Front front : {Front::kGateway, Front::kProxy}) {
    const std::string direct = bytes(front, Pages::kDirect);
    EXPECT_EQ(direct, bytes(front, Pages::kText)) << token(front);
    EXPECT_GT(direct.size(), 10'000u);
  }
}

}  // namespace
}  // namespace tidegate::sim
