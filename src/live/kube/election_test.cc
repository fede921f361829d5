#include "live/kube/election.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace tidegate::live::kube {
namespace {

using Came = Election::Came;

Instant at(double s) { return Instant::from_nanos(0) + seconds_f(s); }
WallTime wall(Instant now) { return WallTime::from_unix_nanos(now.nanos()); }

/// The one Lease of an API server, with optimistic locking.
struct Server {
  std::optional<LeaseRecord> lease;
  int version = 0;
  std::pair<Came, LeaseRecord> take(const Election::Ask& ask) {
    if (ask.act == Election::Act::kRead) {
      if (!lease) return {Came::kMissing, {}};
      return {Came::kRecord, *lease};
    }
    if (ask.act == Election::Act::kReplace && !lease) return {Came::kMissing, {}};
    bool stale = ask.act == Election::Act::kCreate ? lease.has_value()
                                                   : lease->version != ask.record.version;
    if (stale) return {Came::kConflict, {}};
    lease = ask.record;
    lease->version = std::to_string(++version);
    return {Came::kRecord, *lease};
  }
};

/// Asks and answers at once until nothing is due.
int settle(Election& one, Server& server, Instant now) {
  int asked = 0;
  while (auto ask = one.ask(now, wall(now))) {
    auto [came, record] = server.take(*ask);
    one.answered(came, record, now);
    ++asked;
  }
  return asked;
}
/// Steps `one` at each of its wake-ups from `from` until `until`; told nothing where it is cut off.
void live(Election& one, Server& server, double from, double until) {
  for (Instant now = at(from); now < at(until);) {
    settle(one, server, now);
    now = std::max(one.next_wake(), now + nanos(1));
  }
}
Election elector(const char* name) { return Election(name, {}, Rng(1, name)); }

TEST(Election, the_first_makes_the_lease_and_renews_it_and_others_stand_by) {
  Server server;
  auto a = elector("a"), b = elector("b");
  EXPECT_EQ(settle(a, server, at(0)), 2) << "looked, and made";
  EXPECT_TRUE(a.leading(at(0)));
  EXPECT_EQ(server.lease->lease_seconds, 15);
  EXPECT_EQ(server.lease->renewed, "1970-01-01T00:00:00.000000Z");
  for (int s = 1; s < 60; ++s) {
    live(a, server, s, s + 1);
    live(b, server, s, s + 1);
    ASSERT_TRUE(a.leading(at(s + 1)));
    ASSERT_FALSE(b.leading(at(s + 1)));
  }
  EXPECT_EQ(b.holder(), "a");
  EXPECT_EQ(server.lease->transitions, 0);
  EXPECT_EQ(server.lease->acquired, "1970-01-01T00:00:00.000000Z") << "the term goes on";
}

TEST(Election, a_dead_leaders_lease_is_taken_within_its_duration_and_two_looks) {
  for (double died : {0.5, 1.9, 3.3, 7.0}) {
    Server server;
    auto a = elector("a"), b = elector("b");
    double now = 0;
    while (now < died) {
      live(a, server, now, now + 0.1);
      live(b, server, now, now + 0.1);
      now += 0.1;
    }
    while (!b.leading(at(now)) && now < 100) {
      live(b, server, now, now + 0.1);
      now += 0.1;
    }
    EXPECT_GE(now, died - 2 + 15) << "not sooner than a's last renewal allows";
    EXPECT_LE(now, died + 15 + 2 * 2.4 + 0.2);
    EXPECT_EQ(server.lease->transitions, 1);
    EXPECT_FALSE(a.leading(at(now)));
  }
}

TEST(Election, who_cannot_renew_stops_leading_at_the_deadline_counted_from_when_it_asked) {
  Server server;
  auto a = elector("a");
  settle(a, server, at(0));
  for (Instant now = a.next_wake(); now < at(9.99); now = a.next_wake()) {
    ASSERT_TRUE(a.leading(now));
    ASSERT_TRUE(a.ask(now, wall(now)));
    a.answered(Came::kNothing, {}, now + millis(1));
  }
  EXPECT_TRUE(a.leading(at(9.999)));
  EXPECT_FALSE(a.leading(at(10)));
}

TEST(Election, an_answer_that_comes_too_late_gives_no_term) {
  Server server;
  auto a = elector("a");
  a.answered(Came::kMissing, {}, (a.ask(at(0), wall(at(0))), at(0)));
  auto ask = a.ask(at(0), wall(at(0)));
  ASSERT_TRUE(ask && ask->act == Election::Act::kCreate);
  auto [came, record] = server.take(*ask);
  a.answered(came, record, at(12));
  EXPECT_FALSE(a.leading(at(12))) << "asked 12 s ago, good for 10";
  settle(a, server, at(12));
  EXPECT_TRUE(a.leading(at(12))) << "it holds the Lease still, and has renewed it";
}

TEST(Election, a_take_over_whose_answer_was_lost_is_found_out_by_reading) {
  Server server;
  auto a = elector("a");
  a.answered(Came::kMissing, {}, (a.ask(at(0), wall(at(0))), at(0)));
  server.take(*a.ask(at(0), wall(at(0))));
  a.answered(Came::kNothing, {}, at(5));
  EXPECT_FALSE(a.leading(at(5)));
  live(a, server, 5, 9);
  EXPECT_TRUE(a.leading(at(9)));
  EXPECT_EQ(server.lease->transitions, 0) << "the same term";
}

TEST(Election, released_it_is_anothers_at_its_next_look_and_nobodys_in_between) {
  Server server;
  auto a = elector("a"), b = elector("b");
  settle(a, server, at(0));
  settle(b, server, at(0));
  a.release(at(1));
  EXPECT_FALSE(a.leading(at(1))) << "before anything is written";
  EXPECT_FALSE(a.released());
  settle(a, server, at(1));
  EXPECT_TRUE(a.released());
  EXPECT_EQ(server.lease->holder, "");
  EXPECT_EQ(server.lease->lease_seconds, 1);
  live(b, server, 1, 2.5);
  EXPECT_TRUE(b.leading(at(2.5)));
  EXPECT_EQ(a.next_wake(), Instant::never()) << "nothing more is asked";
}

TEST(Election, a_release_meets_what_was_under_way) {
  struct Row {
    const char* label;
    Came answer;  ///< to the renewal that was under way
    bool handed;
  };
  const Row rows[] = {{"the renewal went through", Came::kRecord, true},
                      {"somebody touched the Lease: read again", Came::kConflict, true},
                      {"no answer: it expires by itself", Came::kNothing, false},
                      {"deleted: nothing to give back", Came::kMissing, false}};
  for (const Row& row : rows) {
    Server server;
    auto a = elector("a");
    settle(a, server, at(0));
    auto renewal = a.ask(at(2), wall(at(2)));
    ASSERT_TRUE(renewal) << row.label;
    a.release(at(2));
    if (row.answer == Came::kMissing) server.lease.reset();
    auto [came, record] =
        row.answer == Came::kRecord ? server.take(*renewal) : std::pair(row.answer, LeaseRecord{});
    a.answered(came, record, at(2));
    settle(a, server, at(2));
    EXPECT_TRUE(a.released()) << row.label;
    EXPECT_EQ(server.lease && server.lease->holder.empty(), row.handed) << row.label;
  }
}

TEST(Election, a_lease_deleted_under_its_holder_is_waited_for_by_who_has_seen_it) {
  Server server;
  auto a = elector("a"), b = elector("b");
  settle(a, server, at(0));
  settle(b, server, at(0));
  server.lease.reset();
  live(b, server, 2, 14.9);
  EXPECT_FALSE(server.lease) << "a may lead without knowing";
  live(b, server, 14.9, 15.1);
  EXPECT_TRUE(b.leading(at(15.1)));
  EXPECT_EQ(server.lease->transitions, 1);
  Server other;
  auto c = elector("c");
  settle(c, other, at(0));
  other.lease.reset();
  live(c, other, 0.1, 2.5);
  EXPECT_TRUE(c.leading(at(2.5)) && other.lease) << "its holder makes it anew at once";
}

TEST(Election, labels_that_somebody_writes_are_no_renewal) {
  Server server;
  auto a = elector("a"), b = elector("b");
  settle(a, server, at(0));
  for (int half = 0; half < 40; ++half) {
    server.lease->version = std::to_string(++server.version);  // a's own renewals are not running
    live(b, server, half * 0.5, half * 0.5 + 0.5);
  }
  EXPECT_TRUE(b.leading(at(20)));
}

TEST(Election, a_server_that_always_conflicts_is_not_asked_in_a_storm) {
  auto a = elector("a");
  int asked = 0;
  for (Instant now = at(0); now < at(100); now = std::max(a.next_wake(), now)) {
    ASSERT_TRUE(a.ask(now, wall(now)));
    a.answered(Came::kConflict, {}, now);
    ++asked;
  }
  EXPECT_LE(asked, (Election::kMaxHurry + 1) * 51);
}

TEST(LeaseTimes, those_under_which_two_could_lead_are_refused) {
  struct Row {
    const char* label;
    LeaseTimes times;
    bool fine;
  };
  const Row rows[] = {
      {"the defaults", {}, true},
      {"a deadline as long as the lease", {seconds(15), seconds(15), seconds(2)}, false},
      {"no room for a retry", {seconds(15), seconds(10), seconds(9)}, false},
      {"no retry at all", {seconds(15), seconds(10), seconds(0)}, false},
      {"half seconds, which a Lease cannot say", {millis(1500), seconds(1), millis(100)}, false},
      {"shorter seconds", {millis(150), millis(100), millis(20), millis(10)}, true},
  };
  for (const Row& row : rows) EXPECT_EQ(row.times.check().has_value(), row.fine) << row.label;
}

/// Electors with clocks of their own, on a network that delays, loses and parts, from one seed.
class Storm {
 public:
  explicit Storm(std::uint64_t seed) : chance_(seed, "storm") {
    for (int i = 0; i < 3; ++i) nodes_.push_back(std::make_unique<Node>());
    for (auto& node : nodes_) start(*node);
    after(Duration(0), [this] { trouble(); });
  }
  void run(double until, bool calm) {
    calm_ = calm;
    while (!events_.empty() && events_.begin()->first < at(until)) {
      auto [when, what] = *events_.begin();
      events_.erase(events_.begin());
      now_ = when;
      what();
      ASSERT_LE(leaders(), 1) << "at " << to_seconds(now_ - at(0)) << " s";
    }
    now_ = at(until);
  }
  int leaders() const {
    int count = 0;
    for (const auto& node : nodes_) count += node->election->leading(local(*node)) ? 1 : 0;
    return count;
  }
  std::int64_t terms() const { return server_.lease ? server_.lease->transitions : 0; }

 private:
  struct Node {
    std::unique_ptr<Election> election;
    double rate = 1;
    Duration offset{0};
    int life = 0, request = 0;
    Instant parted_until, stalled_until;
  };

  Duration span(double most) { return seconds_f(chance_.uniform() * most); }
  bool hits(double p) { return chance_.uniform() < p; }
  void after(Duration wait, std::function<void()> what) {
    events_.emplace(now_ + wait, std::move(what));
  }
  Instant local(const Node& node) const {
    return at(0) + node.offset + seconds_f(to_seconds(now_ - at(0)) * node.rate);
  }
  void start(Node& node) {
    ++node.life;
    node.rate = 0.85 + 0.3 * chance_.uniform();  // fastest to slowest below lease / deadline
    node.offset = span(1000);
    std::string name = std::to_string(++names_);
    node.election = std::make_unique<Election>(name, LeaseTimes{}, Rng(names_, "lease"));
    tick(node, node.life);
  }
  /// Delays are mostly short; a few are longer than any deadline.
  Duration delay() { return calm_ || hits(0.8) ? span(0.3) : hits(0.8) ? span(6) : span(25); }
  bool lost(const Node& node) { return !calm_ && (now_ < node.parted_until || hits(0.03)); }

  void tick(Node& node, int life) {
    if (life != node.life) return;
    if (now_ < node.stalled_until) {
      return after(node.stalled_until - now_, [this, &node, life] { tick(node, life); });
    }
    if (auto ask = node.election->ask(local(node), wall(local(node)))) send(node, *ask);
    Instant wake = node.election->next_wake();
    if (wake.is_never()) return;
    double wait = std::max(1e-6, to_seconds(wake - local(node)) / node.rate);
    after(seconds_f(wait), [this, &node, life] { tick(node, life); });
  }
  void send(Node& node, const Election::Ask& ask) {
    int life = node.life, request = ++node.request;
    auto answer = [this, &node, life, request](Came came, const LeaseRecord& record) {
      if (life != node.life || request != node.request) return;
      ++node.request;  // the other answer is nobody's
      node.election->answered(came, record, local(node));
      tick(node, life);
    };
    after(seconds(5), [answer] { answer(Came::kNothing, {}); });
    if (lost(node)) return;
    after(delay(), [this, &node, ask, answer] {
      auto [came, record] = server_.take(ask);
      if (!calm_ && hits(0.03)) came = Came::kNothing;  // 500, though it was written
      if (lost(node)) return;
      after(delay(), [answer, came = came, record = record] { answer(came, record); });
    });
  }
  void trouble() {
    if (calm_) return;
    Node& node = *nodes_[chance_.below(nodes_.size())];
    double which = chance_.uniform();
    if (which < 0.4) {
      node.parted_until = now_ + span(40);
    } else if (which < 0.6) {
      node.stalled_until = now_ + span(40);
    } else if (which < 0.75) {
      start(node);  // killed, and another process in its place
    } else if (server_.lease) {
      server_.lease->version = std::to_string(++server_.version);
    }
    after(span(15), [this] { trouble(); });
  }

  Rng chance_;
  Server server_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::multimap<Instant, std::function<void()>> events_;
  Instant now_ = at(0);
  int names_ = 0;
  bool calm_ = false;
};

TEST(Election, in_any_storm_there_are_never_two_leaders_and_after_it_there_is_one) {
  std::int64_t terms = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed);
    storm.run(600, false);
    if (::testing::Test::HasFatalFailure()) return;
    storm.run(600 + 90, true);  // the last stall and the last delay end, then a lease's time
    if (::testing::Test::HasFatalFailure()) return;
    ASSERT_EQ(storm.leaders(), 1);
    terms += storm.terms();
  }
  EXPECT_GT(terms, 200 * 3) << "too calm to show anything";
}

}  // namespace
}  // namespace tidegate::live::kube
