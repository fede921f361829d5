#include "live/emulator/pacer.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

Instant at(double ms) { return Instant::from_nanos(static_cast<std::int64_t>(ms * 1e6)); }

TEST(Pacer, MeetsEventsExactlyAndPollsOnlyWhereAStepMayEnd) {
  struct Row {
    const char* what;
    double look_ms, stepped_ms, least_ms;  // a look, then a step seen, with that least step
    double now_ms, event_ms;
    Streams streams;
    double wake_ms;
  };
  const Row rows[] = {
      {"without streams only events matter", 0, 10, 10, 10, 500, Streams::kNone, 500},
      {"an event soon is met exactly", 0, 10, 10, 19, 20.5, Streams::kSome, 20.5},
      {"no poll before a step can end", 9, 10, 10, 10, 500, Streams::kSome, 19},
      {"then one each millisecond", 9, 10, 10, 21, 500, Streams::kSome, 22},
      {"an event just behind a poll takes its place", 9, 10, 10, 21, 22.9, Streams::kSome, 22.9},
      {"an event in the past is now", 0, 10, 1, 20, 15, Streams::kSome, 20},
      {"short steps share a wake", 9, 10, 0.1, 10, 10.2, Streams::kSome, 11},
  };
  for (const Row& row : rows) {
    Pacer pacer;
    pacer.looked(at(row.look_ms));
    pacer.stepped(at(row.stepped_ms), Duration(static_cast<std::int64_t>(row.least_ms * 1e6)));
    EXPECT_EQ(pacer.next(at(row.now_ms), at(row.event_ms), row.streams), at(row.wake_ms))
        << row.what;
  }
}

TEST(Pacer, SleepsWhileIdle) {
  EXPECT_TRUE(Pacer().next(at(5), Instant::never(), Streams::kSome).is_never());
}

}  // namespace
}  // namespace tidegate::live
