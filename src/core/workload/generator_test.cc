// Statistical bounds are 4 standard deviations of what is counted, at fixed seeds: they cannot
// flake.

#include "core/workload/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace tidegate::workload {
namespace {

constexpr Duration kMinute = seconds(60), kHour = seconds(3'600), kDay = seconds(86'400);

std::vector<TraceRequest> all_of(Workload workload, std::uint64_t seed = 1) {
  Generator generator(std::move(workload), seed);
  std::vector<TraceRequest> out;
  for (TraceRequest r; generator.next(r);) out.push_back(r);
  return out;
}

Part part(std::string name, Shape shape) {
  Part out;
  out.name = std::move(name);
  out.shape = shape;
  return out;
}

Workload one(Part part, Duration duration) { return {.duration = duration, .parts = {part}}; }

std::int64_t count_between(const std::vector<TraceRequest>& requests, Duration from,
                           Duration until) {
  return std::count_if(requests.begin(), requests.end(),
                       [&](const TraceRequest& r) { return r.at >= from && r.at < until; });
}

struct Gaps {
  double mean = 0, cv = 0;
};
Gaps gaps_of(const std::vector<TraceRequest>& requests) {
  double n = 0, sum = 0, squares = 0;
  for (std::size_t i = 1; i < requests.size(); ++i) {
    double gap = to_seconds(requests[i].at - requests[i - 1].at);
    n += 1;
    sum += gap;
    squares += gap * gap;
  }
  double mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean) / mean};
}

TEST(Generator, EveryShapeHasItsRateInEveryWindow) {
  struct Row {
    std::string label;
    Shape shape;
    Duration duration, from, until;
    double expected;
  };
  Diurnal day{.low = 0.1, .high = 0.5, .weekend = 0.5};
  OnOff jobs{.rate = 10, .off_rate = 1, .on = seconds(300), .off = seconds(700)};
  FlashCrowd flash{.rate = 2,
                   .factor = 10,
                   .at = seconds(1'000),
                   .rise = seconds(100),
                   .hold = seconds(500),
                   .fall = seconds(400)};
  Ramp ramp{.before = 2, .after = 12, .begin = seconds(1'000), .end = seconds(2'000)};
  const Row rows[] = {
      {"a steady rate", Steady{10}, kHour, Duration(0), kHour, 36'000},
      {"a rate of nothing", Steady{0}, kHour, Duration(0), kHour, 0},
      {"before a step", Step{1, 20, kMinute * 30}, kHour, Duration(0), kMinute * 30, 1'800},
      {"after a step", Step{1, 20, kMinute * 30}, kHour, kMinute * 30, kHour, 36'000},
      {"before a ramp", ramp, kHour, Duration(0), seconds(1'000), 2'000},
      {"on a ramp", ramp, kHour, seconds(1'000), seconds(2'000), 7'000},
      {"the first half of a ramp", ramp, kHour, seconds(1'000), seconds(1'500), 2'250},
      {"after a ramp", ramp, kHour, seconds(2'000), kHour, 19'200},
      {"on", jobs, kHour, seconds(1'000), seconds(1'300), 3'000},
      {"off", jobs, kHour, seconds(1'300), seconds(2'000), 700},
      {"before a flash crowd", flash, kHour, Duration(0), seconds(1'000), 2'000},
      {"the rise of a flash crowd", flash, kHour, seconds(1'000), seconds(1'100), 1'100},
      {"the top of a flash crowd", flash, kHour, seconds(1'100), seconds(1'600), 10'000},
      {"the fall of a flash crowd", flash, kHour, seconds(1'600), seconds(2'000), 4'400},
      {"after a flash crowd", flash, kHour, seconds(2'000), kHour, 3'200},
      {"a whole day", day, 7 * kDay, Duration(0), kDay, 0.3 * 86'400},
      {"the half day around the peak", day, 7 * kDay, 8 * kHour, 20 * kHour,
       0.3 * 43'200 + 0.2 * 86'400 / 3.14159265358979},
      {"the half day around the trough", day, 7 * kDay, 20 * kHour, 32 * kHour,
       0.3 * 43'200 - 0.2 * 86'400 / 3.14159265358979},
      {"the weekend", day, 7 * kDay, 5 * kDay, 7 * kDay, 0.3 * 86'400},
      {"days of four hours",
       Diurnal{.low = 1, .high = 5, .peak_at = 2 * kHour, .weekend = 0, .day = 4 * kHour}, kDay,
       20 * kHour, 24 * kHour, 0},
  };
  for (const Row& row : rows) {
    auto requests = all_of(one(part("p", row.shape), row.duration));
    auto seen = static_cast<double>(count_between(requests, row.from, row.until));
    EXPECT_NEAR(seen, row.expected, 4 * std::sqrt(row.expected)) << row.label;
  }
}

TEST(Generator, GapsHaveTheVariationAsked) {
  struct Row {
    std::string label;
    double cv, bound;
  };
  for (const Row& row : {Row{"Poisson", 1, 0.02}, Row{"bursts", 3, 0.1}, Row{"wild bursts", 6, 0.5},
                         Row{"smoother than Poisson", 0.5, 0.01}}) {
    Part bursts = part("p", Steady{10});
    bursts.cv = row.cv;
    Gaps gaps = gaps_of(all_of(one(bursts, 2 * kHour + kHour)));
    EXPECT_NEAR(gaps.cv, row.cv, row.bound) << row.label;
    // The mean of n gaps has the standard deviation cv / sqrt(n).
    EXPECT_NEAR(gaps.mean, 0.1, 4 * 0.1 * row.cv / std::sqrt(108'000.0)) << row.label;
  }
}

TEST(Generator, WithoutVariationARampIsItsClosedForm) {
  // Rate t / 100 per second: the k-th request comes where t^2 / 200 = k.
  Part even =
      part("p", Ramp{.before = 0, .after = 10, .begin = Duration(0), .end = seconds(1'000)});
  even.cv = 0;
  auto requests = all_of(one(even, seconds(1'000)));
  ASSERT_GE(requests.size(), 4'999u);
  for (std::size_t k = 1; k < 5'000; ++k) {
    EXPECT_NEAR(to_seconds(requests[k - 1].at), std::sqrt(200.0 * static_cast<double>(k)), 2e-6);
  }
}

TEST(Generator, ExponentialSojournsHaveTheirMeans) {
  OnOff shape{.rate = 1,
              .off_rate = 0,
              .on = seconds(100),
              .off = seconds(300),
              .sojourn = Sojourn::kExponential};
  // 2,500 cycles: the share of time on has a relative deviation of about sqrt(1.5 / 2,500).
  auto requests = all_of(one(part("p", shape), seconds(1'000'000)));
  EXPECT_NEAR(static_cast<double>(requests.size()), 250'000, 4 * 250'000 * 0.025);
  EXPECT_GT(gaps_of(requests).cv, 2) << "on and off come in turns";
}

TEST(Generator, APartKeepsToItsWindow) {
  Part late = part("late", Diurnal{.low = 1, .high = 3});
  late.from = seconds(5'000);
  late.until = seconds(9'000);
  auto requests = all_of(one(late, 4 * kHour));
  ASSERT_FALSE(requests.empty());
  EXPECT_GE(requests.front().at, late.from);
  EXPECT_LT(requests.back().at, late.until);
  late.from = 5 * kHour;
  late.until = Duration::max();
  EXPECT_TRUE(all_of(one(late, 4 * kHour)).empty());
}

TEST(Generator, PartsAddUpInOrderOfTimeAndOfTheFile) {
  Part a = part("a", Steady{1}), b = part("b", Steady{1}), c = part("c", Steady{5});
  a.cv = b.cv = 0;
  a.tenants = {{"a", 1}};
  b.tenants = {{"b", 1}};
  auto requests = all_of({.duration = kHour, .parts = {a, b, c}});
  EXPECT_TRUE(
      std::is_sorted(requests.begin(), requests.end(),
                     [](const TraceRequest& x, const TraceRequest& y) { return x.at < y.at; }));
  std::string turns;
  for (const TraceRequest& r : requests) turns += r.tenant;
  std::string expected;
  for (int i = 0; i < 3'599; ++i) expected += "ab";
  EXPECT_EQ(turns, expected) << "equal times come in the order of the parts";
  EXPECT_NEAR(static_cast<double>(requests.size()), 7'198 + 18'000, 4 * 135);
}

TEST(Generator, LengthsHaveTheirMedianAndP90) {
  Part p = part("p", Steady{20});
  p.lengths.prompt = TokenSpread{.p50 = 800, .p90 = 4'000, .max = std::nullopt};
  p.lengths.output = TokenSpread{.p50 = 150, .p90 = 500, .max = 600};
  auto requests = all_of(one(p, 2 * kHour));
  auto quantile = [&](auto of, double q) {
    std::vector<std::int64_t> values;
    for (const TraceRequest& r : requests) values.push_back(of(r).value());
    std::sort(values.begin(), values.end());
    return static_cast<double>(
        values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
  };
  auto prompt = [](const TraceRequest& r) { return r.prompt; };
  auto output = [](const TraceRequest& r) { return r.output; };
  // 144,000 draws: a quantile's deviation is sqrt(q (1 - q) / n) / density, 0.4 % and 0.6 % here.
  EXPECT_NEAR(quantile(prompt, 0.5), 800, 800 * 0.016);
  EXPECT_NEAR(quantile(prompt, 0.9), 4'000, 4'000 * 0.024);
  EXPECT_NEAR(quantile(output, 0.5), 150, 150 * 0.016);
  EXPECT_NEAR(quantile(output, 0.9), 500, 500 * 0.024);
  EXPECT_EQ(quantile(output, 1), 600);
  EXPECT_GE(quantile(prompt, 0), 1);
}

TEST(Generator, WithoutP90EveryLengthIsTheSame) {
  Part p = part("p", Steady{5});
  p.lengths.prompt = p.lengths.output =
      TokenSpread{.p50 = 321, .p90 = std::nullopt, .max = std::nullopt};
  for (const TraceRequest& r : all_of(one(p, kHour))) {
    ASSERT_EQ(r.prompt, Tokens(321));
    ASSERT_EQ(r.output, Tokens(321));
  }
}

TEST(Generator, EmpiricalLengthsStayInPairsAndAllOccur) {
  Part p = part("p", Steady{5});
  p.lengths.empirical = {{Tokens(1), Tokens(10)}, {Tokens(2), Tokens(20)}, {Tokens(3), Tokens(30)}};
  std::map<std::int64_t, int> seen;
  auto requests = all_of(one(p, kHour));
  for (const TraceRequest& r : requests) {
    ASSERT_EQ(r.output, r.prompt * 10);
    ++seen[r.prompt.value()];
  }
  double third = static_cast<double>(requests.size()) / 3;
  for (std::int64_t length : {1, 2, 3}) EXPECT_NEAR(seen[length], third, 4 * std::sqrt(third));
}

TEST(Generator, PrefixGroupsAreSharedByTheirRankAlone) {
  Part p = part("p", Steady{20});
  p.lengths.prompt = TokenSpread{.p50 = 100, .p90 = std::nullopt, .max = std::nullopt};
  p.prefixes = PrefixGroups{.share = 0.75, .groups = 4, .zipf = 1, .tokens = 1'030};
  std::map<std::vector<std::uint64_t>, double> groups;
  std::set<std::uint64_t> hashes;
  auto requests = all_of(one(p, kHour));
  double plain = 0;
  for (const TraceRequest& r : requests) {
    if (r.prefix.empty()) {
      ++plain;
      ASSERT_EQ(r.prompt, Tokens(100));
      ASSERT_EQ(r.prefix_block_tokens, 0);
      continue;
    }
    ASSERT_EQ(r.prompt, Tokens(1'130)) << "the shared tokens stand in front";
    ASSERT_EQ(r.prefix.size(), 64u) << "whole blocks only";
    ASSERT_EQ(r.prefix_block_tokens, 16);
    ++groups[r.prefix];
  }
  auto n = static_cast<double>(requests.size());
  EXPECT_NEAR(plain, 0.25 * n, 4 * std::sqrt(0.25 * n));
  ASSERT_EQ(groups.size(), 4u);
  std::vector<double> counts;
  for (const auto& [prefix, count] : groups) {
    counts.push_back(count);
    hashes.insert(prefix.begin(), prefix.end());
  }
  EXPECT_EQ(hashes.size(), 4u * 64) << "no block of one group is one of another";
  std::sort(counts.rbegin(), counts.rend());
  for (std::size_t k = 0; k < 4; ++k) {
    double expected = 0.75 * n / static_cast<double>(k + 1) / (1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4);
    EXPECT_NEAR(counts[k], expected, 4 * std::sqrt(expected)) << "rank " << k + 1;
  }
}

TEST(Generator, MixesHaveTheirSharesAndWhatIsLeftHasNone) {
  Part p = part("p", Steady{20});
  p.tenants = {{"acme", 0.5}, {"beta", 0.3}};
  p.adapters = {{"sql", 0.1}};
  p.models = {{"small", 0.9}, {"large", 0.1}};
  p.priorities = {{"batch", 0.4}};
  Workload workload = one(p, kHour);
  workload.priority_classes = {"interactive", "normal", "batch"};
  std::map<std::string, double> seen;
  auto requests = all_of(workload);
  for (const TraceRequest& r : requests) {
    ++seen["tenant " + r.tenant];
    ++seen["adapter " + r.adapter];
    ++seen["model " + r.model];
    ++seen["priority " + std::to_string(r.priority)];
  }
  const std::map<std::string, double> expected = {
      {"tenant acme", 0.5}, {"tenant beta", 0.3}, {"tenant ", 0.2},
      {"adapter sql", 0.1}, {"adapter ", 0.9},    {"model small", 0.9},
      {"model large", 0.1}, {"priority 2", 0.4},  {"priority 0", 0.6}};
  EXPECT_EQ(seen.size(), expected.size());
  auto n = static_cast<double>(requests.size());
  for (const auto& [what, share] : expected) {
    EXPECT_NEAR(seen[what], share * n, 4 * std::sqrt(share * n)) << what;
  }
}

bool same(const TraceRequest& a, const TraceRequest& b) {
  return a.at == b.at && a.prompt == b.prompt && a.output == b.output && a.model == b.model &&
         a.tenant == b.tenant && a.adapter == b.adapter && a.priority == b.priority &&
         a.prefix == b.prefix;
}
bool same(const std::vector<TraceRequest>& a, const std::vector<TraceRequest>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return same(x, y); });
}

Part full_part(const std::string& name) {
  Part p = part(name, OnOff{.rate = 4, .off_rate = 1, .sojourn = Sojourn::kExponential});
  p.cv = 2;
  p.prefixes = PrefixGroups{.share = 0.5, .groups = 10};
  p.tenants = {{name, 1}};
  p.adapters = {{"sql", 0.5}};
  return p;
}
std::vector<TraceRequest> only(const std::vector<TraceRequest>& requests,
                               const std::string& tenant) {
  std::vector<TraceRequest> out;
  for (const TraceRequest& r : requests) {
    if (r.tenant == tenant) out.push_back(r);
  }
  return out;
}

TEST(Generator, OneSeedIsOneStream) {
  Workload workload{.duration = kHour, .parts = {full_part("a"), full_part("b")}};
  auto first = all_of(workload, 7);
  EXPECT_GT(first.size(), 1'000u);
  EXPECT_TRUE(same(first, all_of(workload, 7)));
  EXPECT_FALSE(same(first, all_of(workload, 8)));
  EXPECT_FALSE(same(only(first, "a"), only(first, "b"))) << "parts draw for themselves";
}

TEST(Generator, AChangedPartMovesNoOther) {
  Workload workload{.duration = kHour, .parts = {full_part("a"), full_part("b")}};
  auto before = only(all_of(workload), "b");
  struct Row {
    std::string label;
    std::vector<Part> parts;
  };
  Part faster = full_part("a"), plainer = full_part("a");
  faster.shape = Steady{50};
  plainer.prefixes.reset();
  plainer.adapters.clear();
  for (const Row& row :
       {Row{"the other has another rate", {faster, full_part("b")}},
        Row{"the other has fewer variables", {plainer, full_part("b")}},
        Row{"the other is gone", {full_part("b")}},
        Row{"the other comes after", {full_part("b"), full_part("a")}},
        Row{"there is a third", {full_part("c"), full_part("a"), full_part("b")}}}) {
    EXPECT_TRUE(same(before, only(all_of({.duration = kHour, .parts = row.parts}), "b")))
        << row.label;
  }
}

TEST(Generator, AChangedVariableMovesNoOtherOfThePart) {
  Part p = full_part("a"), longer = full_part("a");
  longer.lengths.prompt = TokenSpread{.p50 = 9, .p90 = 90, .max = 50};
  longer.prefixes.reset();
  auto before = all_of(one(p, kHour)), after = all_of(one(longer, kHour));
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(before[i].at, after[i].at);
    ASSERT_EQ(before[i].output, after[i].output);
    ASSERT_EQ(before[i].adapter, after[i].adapter);
  }
}

TEST(Generator, ProgressGoesFromNothingToAll) {
  Generator generator(one(part("p", Steady{10}), kHour), 1);
  EXPECT_EQ(generator.progress(), 0);
  double last = 0;
  for (TraceRequest r; generator.next(r);) {
    ASSERT_GE(generator.progress(), last);
    last = generator.progress();
    ASSERT_NEAR(last, to_seconds(r.at) / 3'600, 1e-9);
  }
  EXPECT_EQ(generator.progress(), 1);
}

}  // namespace
}  // namespace tidegate::workload
