#include "sim/search/oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/base/math.h"
#include "sim/search/contest.h"
#include "sim/search/demand.h"
#include "sim/search/local.h"

namespace tidegate::sim {
namespace {

/// Headrooms tried, in steps of 2 %.
constexpr double kLeastHeadroom = 0.3, kHeadroomStep = 1.02;
constexpr std::int64_t kHeadrooms = 140;
/// The first window is the one that does best on most traces: a long one gets few evaluations.
constexpr std::int64_t kWindowsSeconds[] = {300, 60, 900};
/// A range is cut into five by four at once.
constexpr std::int64_t kCuts = 4;
/// Not worth playing: it orders this much more than the best does.
constexpr double kHopeless = 1.02;

struct Entry {
  Timeline line;
  std::string name;
};

/// Finds the least index of [0, count) that reaches the level, where more means more replicas.
Result<void> least(Contest& contest, std::int64_t count,
                   const std::function<Entry(std::int64_t)>& entry) {
  std::int64_t low = -1, high = count;  // low fails, high is not known to
  while (high - low > 1 && !contest.spent()) {
    std::vector<std::int64_t> asked;
    for (std::int64_t i = 1; i <= kCuts; ++i) {
      std::int64_t at = low + (high - low) * i / (kCuts + 1);
      if (at > low && (asked.empty() || at > asked.back())) asked.push_back(at);
    }
    if (asked.empty()) asked.push_back(low + 1);
    std::vector<Timeline> lines;
    std::vector<std::string> names;
    const auto& base = contest.base();
    double most = base && base->reached
                      ? base->line.weight(contest.weights(), contest.end()) * kHopeless
                      : -1;
    for (std::int64_t at : asked) {
      Entry one = entry(at);
      one.line = contest.fitted(std::move(one.line));
      if (most >= 0 && one.line.weight(contest.weights(), contest.end()) > most) {
        high = std::min(high, at);
        break;
      }
      lines.push_back(std::move(one.line));
      names.push_back(std::move(one.name));
    }
    if (lines.empty()) continue;
    auto played = contest.play(lines, Contest::Need::kBest, names);
    if (!played) return fail(played.error());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      auto reached = contest.reached(lines[i]);
      if (!reached) return {};  // the budget is spent
      if (*reached) {
        high = std::min(high, asked[i]);
        break;
      }
      low = asked[i];
    }
  }
  return {};
}

Result<void> follow(Contest& contest, const Demand& demand, Duration window, Duration ahead) {
  return least(contest, kHeadrooms, [&, window, ahead](std::int64_t i) {
    Follow how{window, ahead, kLeastHeadroom * pow(kHeadroomStep, static_cast<double>(i))};
    return Entry{demand.follow(how, contest.options().world.initial), how.name()};
  });
}

/// Local search starts from the best, which must have been played for that.
Result<void> play_best(Contest& contest) {
  const OracleResult& best = contest.best();
  if (contest.base() && contest.base()->line.schedule() == best.schedule) return {};
  auto played = contest.play({Timeline::of(contest.options().world.initial, best.schedule)},
                             Contest::Need::kBest, {best.found_by});
  if (!played) return fail(played.error());
  return {};
}

}  // namespace

Result<OracleResult> oracle(const OracleOptions& options) {
  if (!(options.attainment > 0 && options.attainment <= 1)) {
    return fail(
        fmt::format("oracle: attainment {:g}: must be above 0 and at most 1", options.attainment));
  }
  auto arrivals = Arrivals::read(options.open);
  if (!arrivals) return fail(arrivals.error());
  Contest contest(options, *arrivals);
  Demand demand(*arrivals, contest.model(), contest.weights(), contest.slot());
  const Duration ahead = start_time(contest.model());
  for (const OracleCandidate& candidate : options.candidates) contest.enter(candidate);
  std::vector<std::function<Result<void>()>> stages = {
      [&] { return follow(contest, demand, seconds(kWindowsSeconds[0]), ahead); },
      [&] {
        return least(contest, demand.most() - demand.least() + 1, [&](std::int64_t i) {
          std::int64_t n = demand.least() + i;
          return Entry{demand.fixed(n, options.world.initial), fmt::format("static {}", n)};
        });
      }};
  for (std::int64_t window : kWindowsSeconds) {
    stages.push_back([&, window] { return follow(contest, demand, seconds(window), ahead); });
  }
  stages.push_back([&] { return play_best(contest); });
  stages.push_back([&] { return refine(contest); });
  stages.push_back([&] { return climb(contest); });
  for (const auto& stage : stages) {
    if (auto done = stage(); !done) return fail(done.error());
  }
  OracleResult out = contest.best();
  out.exhausted = contest.spent();
  return out;
}

}  // namespace tidegate::sim
