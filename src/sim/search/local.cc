#include "sim/search/local.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/search/demand.h"

namespace tidegate::sim {
namespace {

const std::vector<std::string> kName = {"search"};
/// A stretch is felt until so many cold starts later; fewer runs a level than this where that is
/// long.
constexpr std::int64_t kFeltStarts = 2, kMostPhases = 8;
/// The first stretches are this share of the trace: longer ones the headroom has taken care of.
constexpr std::int64_t kLongestShare = 16;
constexpr int kMostRepeats = 4;  // of a level that still gets better
/// climb(): lines played at once; spans are taken all where there are few slots.
constexpr std::size_t kAtOnce = 8;
constexpr std::int64_t kFewSlots = 24;

struct Move {
  std::size_t variant = 0;
  Span span;
  std::int64_t change = 0;  ///< replicas
  double weight = 0;        ///< weighed replica-seconds more
  std::int64_t misses = 0;  ///< more
};

std::int64_t slots_of(const Contest& contest) { return contest.end() / contest.slot() + 1; }

Timeline with(const Contest& contest, Timeline line, const Move& move) {
  line.add(move.variant, move.span, move.change);
  return contest.fitted(std::move(line));
}

double weight_of(const Contest& contest, const Timeline& line) {
  return line.weight(contest.weights(), contest.end());
}

// ---- refine ----

struct Level {
  std::int64_t slots = 1;   ///< length of a stretch
  std::int64_t phases = 2;  ///< every so manyth stretch changes in one run
};

/// The moves of one run: stretches phase, phase + phases, ... of one variant.
std::vector<Move> moves_of(const Contest& contest, const Level& level, std::int64_t phase,
                           std::size_t variant, std::int64_t change) {
  std::vector<Move> out;
  const std::int64_t all = slots_of(contest);
  for (std::int64_t at = phase * level.slots; at < all; at += level.phases * level.slots) {
    out.push_back({.variant = variant,
                   .span = {at * contest.slot(), (at + level.slots) * contest.slot()},
                   .change = change});
  }
  return out;
}

std::int64_t misses_between(const std::vector<std::int64_t>& misses, std::int64_t from,
                            std::int64_t until) {
  std::int64_t sum = 0;
  auto end = std::min(until, static_cast<std::int64_t>(misses.size()));
  for (std::int64_t i = from; i < end; ++i) sum += misses[static_cast<std::size_t>(i)];
  return sum;
}

/// Books on each move what its run had more than the base.
void price(const Contest& contest, const Level& level, const Played& run, const Base& base,
           std::vector<Move>& moves) {
  const double before = weight_of(contest, base.line);
  for (Move& move : moves) {
    std::int64_t from = move.span.from / contest.slot();
    std::int64_t until = from + level.phases * level.slots;
    move.misses =
        misses_between(run.misses, from, until) - misses_between(base.misses, from, until);
    move.weight = weight_of(contest, with(contest, base.line, move)) - before;
  }
}

/// The exchange at one price of a miss in replica-seconds: trims that cost less, additions that
/// bring more. The price is the highest at which the misses still fit into `slack`.
std::vector<Move> best_exchange(const std::vector<Move>& moves, std::int64_t slack) {
  struct Event {
    double ratio = 0;  ///< misses a weighed replica-second
    const Move* move = nullptr;
  };
  std::vector<Event> events;
  std::vector<const Move*> chosen;
  std::int64_t misses = 0;
  for (const Move& move : moves) {
    if (move.weight == 0 || (move.weight > 0 && move.misses >= 0)) continue;
    double ratio = static_cast<double>(move.misses) / -move.weight;
    bool at_once = move.weight > 0 || move.misses <= 0;
    if (at_once) misses += move.misses;
    if (at_once) chosen.push_back(&move);
    if (move.weight > 0 || !at_once) events.push_back({ratio, &move});
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.ratio < b.ratio; });
  for (const Event& event : events) {
    bool addition = event.move->weight > 0;
    std::int64_t after = misses + (addition ? -event.move->misses : event.move->misses);
    if (after > slack) break;
    misses = after;
    if (addition) {
      chosen.erase(std::find(chosen.begin(), chosen.end(), event.move));
    } else {
      chosen.push_back(event.move);
    }
  }
  std::vector<Move> out;
  for (const Move* move : chosen) out.push_back(*move);
  return out;
}

/// Prices every stretch of the level.
Result<std::vector<Move>> survey(Contest& contest, const Level& level) {
  const Base base = *contest.base();
  std::vector<std::vector<Move>> groups;
  std::vector<Timeline> lines;
  for (std::size_t v = 0; v < contest.model().variants.size(); ++v) {
    for (std::int64_t phase = 0; phase < level.phases; ++phase) {
      for (std::int64_t change : {-1, 1}) {
        groups.push_back(moves_of(contest, level, phase, v, change));
        Timeline line = base.line;
        for (const Move& move : groups.back()) line = with(contest, std::move(line), move);
        lines.push_back(std::move(line));
      }
    }
  }
  auto runs = contest.play(lines, Contest::Need::kWhole, kName);
  if (!runs) return fail(runs.error());
  std::vector<Move> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!(*runs)[g].whole) continue;
    price(contest, level, (*runs)[g], base, groups[g]);
    out.insert(out.end(), groups[g].begin(), groups[g].end());
  }
  return out;
}

/// Plays exchanges of several sizes from `base`.
Result<void> trade(Contest& contest, const Base& base, const std::vector<Move>& moves) {
  const std::int64_t slack =
      contest.allowed() - (base.totals.score.requests - base.totals.score.met);
  std::vector<Timeline> lines;
  auto add = [&](const std::vector<Move>& chosen) {
    Timeline line = base.line;
    for (const Move& move : chosen) line = with(contest, std::move(line), move);
    lines.push_back(std::move(line));
  };
  for (std::int64_t quarter : {4, 2, 0, -4}) add(best_exchange(moves, slack * quarter / 4));
  for (std::size_t every : {2U, 4U}) {
    for (std::size_t from = 0; from < 2; ++from) {
      std::vector<Move> some;
      for (std::size_t i = from; i < moves.size(); i += every) some.push_back(moves[i]);
      add(best_exchange(some, slack));
    }
  }
  auto runs = contest.play(lines, Contest::Need::kBest, kName);
  if (!runs) return fail(runs.error());
  return {};
}

// ---- climb ----

/// Spans with their ends on slots: all of them, or those of a power of two in length at every half.
std::vector<Span> spans_of(const Contest& contest) {
  const std::int64_t all = slots_of(contest);
  std::vector<Span> out;
  auto add = [&](std::int64_t from, std::int64_t until) {
    out.push_back({from * contest.slot(), until * contest.slot()});
  };
  if (all <= kFewSlots) {
    for (std::int64_t length = all; length > 0; --length) {
      for (std::int64_t from = 0; from + length <= all; ++from) add(from, from + length);
    }
    return out;
  }
  std::int64_t length = 1;
  while (length * 2 <= all) length *= 2;
  for (; length > 0; length /= 2) {
    std::int64_t step = std::max<std::int64_t>(1, length / 2);
    for (std::int64_t from = 0; from < all; from += step) add(from, std::min(all, from + length));
  }
  return out;
}

std::vector<Move> changes_of(const Contest& contest, std::int64_t change) {
  std::vector<Move> out;
  for (const Span& span : spans_of(contest)) {
    for (std::size_t v = 0; v < contest.model().variants.size(); ++v) {
      out.push_back({.variant = v, .span = span, .change = change});
    }
  }
  return out;
}

/// Lines waiting to be played together.
class Batch {
 public:
  explicit Batch(Contest& contest) : contest_(contest) {}
  /// True: the best has changed.
  Result<bool> add(Timeline line) {
    lines_.push_back(std::move(line));
    if (lines_.size() < kAtOnce) return false;
    return flush();
  }
  Result<bool> flush() {
    if (lines_.empty()) return false;
    std::int64_t before = contest_.improvements();
    auto runs = contest_.play(std::exchange(lines_, {}), Contest::Need::kBest, kName);
    if (!runs) return fail(runs.error());
    return contest_.improvements() != before;
  }

 private:
  Contest& contest_;
  std::vector<Timeline> lines_;
};

/// One stretch at a time. True: something got better.
Result<bool> climb_singles(Contest& contest) {
  bool any = false;
  Batch batch(contest);
  for (const Move& move : changes_of(contest, -1)) {
    if (contest.spent()) break;
    const Timeline& from = contest.base()->line;
    Timeline line = with(contest, from, move);
    if (line == from || contest.reached(line)) continue;
    auto better = batch.add(std::move(line));
    if (!better) return better;
    any = any || *better;
  }
  auto better = batch.flush();
  if (!better) return better;
  return any || *better;
}

/// A trim and an addition that together weigh no more. True: something got better.
Result<bool> climb_pairs(Contest& contest) {
  const std::vector<Move> trims = changes_of(contest, -1), additions = changes_of(contest, 1);
  Batch batch(contest);
  const Timeline from = contest.base()->line;
  const double most = weight_of(contest, from) * (1 + 1e-9);
  for (const Move& trim : trims) {
    Timeline trimmed = with(contest, from, trim);
    if (trimmed == from) continue;
    for (const Move& addition : additions) {
      if (contest.spent()) return false;
      Timeline line = with(contest, trimmed, addition);
      if (line == from || contest.reached(line) || weight_of(contest, line) > most) continue;
      auto better = batch.add(std::move(line));
      if (!better || *better) return better;
    }
  }
  return batch.flush();
}

}  // namespace

Result<void> refine(Contest& contest) {
  if (!contest.base() || !contest.base()->reached) return {};
  const Duration felt = kFeltStarts * start_time(contest.model());
  std::int64_t longest = 1;
  while (longest * 2 * kLongestShare <= slots_of(contest)) longest *= 2;
  for (bool better = true; better && !contest.spent();) {
    better = false;
    for (Level level{.slots = longest}; level.slots > 0 && !contest.spent(); level.slots /= 2) {
      Duration length = level.slots * contest.slot();
      level.phases =
          std::clamp<std::int64_t>(1 + (felt + length - nanos(1)) / length, 2, kMostPhases);
      for (int repeat = 0; repeat < kMostRepeats && !contest.spent(); ++repeat) {
        const Base base = *contest.base();
        const std::int64_t before = contest.improvements();
        auto moves = survey(contest, level);
        if (!moves) return fail(moves.error());
        if (auto done = trade(contest, base, *moves); !done) return done;
        if (contest.improvements() == before) break;
        better = true;
      }
    }
  }
  return {};
}

Result<void> climb(Contest& contest) {
  if (!contest.base() || !contest.base()->reached) return {};
  while (!contest.spent()) {
    auto better = climb_singles(contest);
    if (!better) return fail(better.error());
    if (*better) continue;
    better = climb_pairs(contest);
    if (!better) return fail(better.error());
    if (!*better) break;
  }
  return {};
}

}  // namespace tidegate::sim
