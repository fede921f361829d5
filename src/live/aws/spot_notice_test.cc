#include "live/aws/spot_notice.h"

#include <gtest/gtest.h>

#include "live/aws/testing/fake_aws.h"
#include "live/net/log.h"

namespace tidegate::live::aws {
namespace {

TEST(SpotNotice, IsToldOnceWhenItComesAlsoAfterSilence) {
  net::configure_log(net::Level::kError, net::LogFormat::kText);
  auto loop = net::Loop::create().value();
  net::HttpClient http(*loop);
  FakeAws aws(*loop);
  aws.out_of_reach = true;
  const auto address = net::parse_url(aws.url())->address;
  std::vector<std::string> told;
  SpotNotice notice(
      *loop, http, address, [&](const std::string& w) { told.push_back(w); }, millis(1));
  auto asked = [&](std::int64_t& count, std::int64_t more) {
    const std::int64_t until = count + more;
    return loop->run_until([&] { return count >= until; }, seconds(20));
  };
  ASSERT_TRUE(asked(aws.metadata_refused, 2));
  aws.out_of_reach = false;
  ASSERT_TRUE(asked(aws.metadata_reads, 3));
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(aws.metadata_tokens, 1);
  aws.instance_action = R"({"action":"terminate","time":"2026-01-02T03:06:05Z"})";
  ASSERT_TRUE(loop->run_until([&] { return !told.empty(); }, seconds(20)));
  EXPECT_EQ(told[0], "action terminate at 2026-01-02T03:06:05Z");
  const std::int64_t reads = aws.metadata_reads;
  loop->run_for(millis(5));
  EXPECT_EQ(aws.metadata_reads, reads) << "it is not asked any more";
}

TEST(SpotNotice, WordsThatAreNoJsonAreANoticeAllTheSame) {
  auto loop = net::Loop::create().value();
  net::HttpClient http(*loop);
  FakeAws aws(*loop);
  aws.instance_action = "gone soon";
  std::string told;
  SpotNotice notice(*loop, http, net::parse_url(aws.url())->address,
                    [&](const std::string& w) { told = w; });
  ASSERT_TRUE(loop->run_until([&] { return !told.empty(); }, seconds(20)));
  EXPECT_EQ(told, "action unknown at unknown");
}

}  // namespace
}  // namespace tidegate::live::aws
