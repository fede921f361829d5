#include "format/spec_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/rng.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using testing::HasSubstr;

TEST(Units, DurationsAreExact) {
  const std::pair<const char*, Duration> rows[] = {{"90s", seconds(90)},
                                                   {"300ms", millis(300)},
                                                   {"1.5s", millis(1'500)},
                                                   {"1h30m", seconds(5'400)},
                                                   {"7d", seconds(604'800)},
                                                   {"0s", seconds(0)},
                                                   {"0.000000001s", nanos(1)},
                                                   {"3us", nanos(3'000)},
                                                   {"3\xC2\xB5s", nanos(3'000)},
                                                   {"1m0.5s", millis(60'500)},
                                                   {"0.1ns", nanos(0)},
                                                   {"0.5ns", nanos(1)},
                                                   {"106751d", seconds(106'751LL * 86'400)}};
  for (auto& [text, value] : rows) {
    auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(Units, EveryDurationReadsBackFromItsText) {
  Rng rng(1, "durations");
  for (int i = 0; i < 10'000; ++i) {
    Duration d(static_cast<std::int64_t>(rng.next() >> (1 + rng.below(62))));
    ASSERT_EQ(parse_duration(format_duration(d)).value(), d) << format_duration(d);
  }
}

TEST(Units, EverySizeReadsBackFromItsText) {
  Rng rng(1, "sizes");
  for (int i = 0; i < 10'000; ++i) {
    auto n = static_cast<std::int64_t>(rng.next() >> (10 + rng.below(53)));
    if (rng.below(2) == 0) n = n % 1'000 * (rng.below(2) == 0 ? 1LL << 30 : 100'000'000);
    ASSERT_EQ(parse_bytes(format_bytes(n)).value(), n) << format_bytes(n);
    ASSERT_EQ(parse_bandwidth(format_bandwidth(n)).value(), n) << format_bandwidth(n);
  }
}

TEST(Units, SizesAndBandwidthsKnowTheirUnits) {
  EXPECT_EQ(parse_bytes("256MiB").value(), 256LL << 20);
  EXPECT_EQ(parse_bytes("256Mi").value(), 256LL << 20) << "as Kubernetes writes it";
  EXPECT_EQ(parse_bytes("27GB").value(), 27'000'000'000);
  EXPECT_EQ(parse_bytes("1.5KB").value(), 1'500);
  EXPECT_EQ(parse_bytes("0B").value(), 0);
  EXPECT_EQ(parse_bandwidth("1.5GB/s").value(), 1'500'000'000);
  EXPECT_EQ(parse_bandwidth("10Gbit/s").value(), 1'250'000'000);
  EXPECT_EQ(parse_bandwidth("10Gbps").value(), 1'250'000'000);
  EXPECT_EQ(format_bytes(1LL << 30), "1GiB");
  EXPECT_EQ(format_bytes(1'500'000), "1.5MB");
}

TEST(Units, WhatIsWrongIsSaidWithTheAcceptedForm) {
  const std::pair<const char*, const char*> durations[] = {{"", "\"\" is empty"},
                                                           {"90", "\"90\" has no unit"},
                                                           {"-3s", "is negative"},
                                                           {"s", "does not begin with a number"},
                                                           {"5 minutes", "unknown unit"},
                                                           {"1m1h", "from large units to small"},
                                                           {"1s1s", "from large units to small"},
                                                           {"1.2.3s", "out of range"},
                                                           {"106752d", "out of range"},
                                                           {"9999999999999999999s", "out of range"},
                                                           {"1s ", "unknown unit"},
                                                           {".5s", "out of range"},
                                                           {"1e3s", "unknown unit"}};
  for (auto& [text, message] : durations) {
    auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("; write a duration such as 90s")) << text;
  }
  EXPECT_THAT(parse_bytes("27").error().message,
              HasSubstr("has no unit; write a size such as 256MiB"));
  EXPECT_THAT(parse_bytes("27XB").error().message, HasSubstr("unknown unit"));
  EXPECT_THAT(parse_bytes("9999999TiB").error().message, HasSubstr("out of range"));
  EXPECT_THAT(parse_bandwidth("1.5GB").error().message,
              HasSubstr("is not a size per second; write a bandwidth"));
  EXPECT_THAT(parse_bandwidth("1.5GBps").error().message, HasSubstr("not a size per second"));
  EXPECT_THAT(parse_bandwidth("1.5parsec/s").error().message, HasSubstr("unknown unit"));
}

}  // namespace
}  // namespace tidegate::format
