// Random lives of a router on thousands of seeds: what must hold whatever happens.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <new>
#include <set>

#include "core/base/rng.h"
#include "core/route/router_fixture_test.h"

namespace {
std::int64_t allocations = 0;
}
void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
// As std::stable_sort asks for its buffer: a sanitizer's own would not be freed as this is.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace tidegate::route {
namespace {

/// Drives a router with random events and keeps its own books.
class Life {
 public:
  explicit Life(std::uint64_t seed) : rng_(seed, "life"), desk_(options()) {}

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      desk_.now += nanos(static_cast<std::int64_t>(rng_.below(2'000'000'000)));
      settle(desk_.say(Tick{}));  // what is due is due before what happens now
      Event event = any_event();
      account(event);
      settle(desk_.say(event));
      check();
    }
  }
  /// Gives everything room and lets all of it finish.
  void end() {
    for (int i = 0; i < 2000 && !open_.empty(); ++i) {
      desk_.now += seconds(1);
      settle(desk_.say(Tick{}));
      settle(desk_.say(ReplicaUp{ReplicaId(1), 0, 1000, 0, 0}));
      if (open_.empty()) return;
      RequestId id(open_.begin()->first);
      if (open_.begin()->second == 0) continue;
      Event event = Finished{id, Tokens(1), Tokens(0), Tokens(1)};
      account(event);
      settle(desk_.say(event));
    }
    EXPECT_TRUE(open_.empty()) << "a request never ended";
    EXPECT_EQ(desk_.router.demand(desk_.now).queued_bytes, 0);
  }
  const std::vector<Action>& log() const { return log_; }

 private:
  static constexpr std::uint64_t kOrphan = 1000;  ///< added to the id of a replica that went down

  Options options() {
    Options o{.max_requests = static_cast<std::int64_t>(rng_.below(20)),
              .max_bytes = static_cast<std::int64_t>(rng_.below(300)),
              .max_wait = seconds(static_cast<std::int64_t>(1 + rng_.below(60)))};
    if (rng_.below(2) == 0) o.class_weights = {8, 3, 1};
    if (rng_.below(2) == 0) o.due = millis(static_cast<std::int64_t>(1 + rng_.below(9'000)));
    if (rng_.below(2) == 0) o.itl = millis(static_cast<std::int64_t>(1 + rng_.below(200)));
    limits_ = o;
    return o;
  }
  RequestId any_id() { return RequestId(1 + rng_.below(next_id_ + 1)); }
  ReplicaId any_replica() { return ReplicaId(1 + rng_.below(4)); }
  std::int64_t upto(std::uint64_t n) { return static_cast<std::int64_t>(rng_.below(n)); }

  Event any_event() {
    switch (rng_.below(16)) {
      case 0:
        return ReplicaUp{.replica = any_replica(),
                         .max_requests = upto(6),
                         .kv_tokens = upto(3) * 700,
                         .max_prefill_tokens = upto(2) * 300,
                         .c0_fs = upto(90) * 1'000'000'000'000,
                         .c1_fs = upto(3) * 100'000'000'000,
                         .c2_fs = upto(3) * 1'000'000'000'000,
                         .c3_fs = upto(3) * 1'000'000'000};
      case 1:
        return rng_.below(3) == 0 ? Event(ReplicaDown{any_replica()}) : Event(Tick{});
      case 2:
        return rng_.below(2) == 0 ? Event(ReplicaDraining{any_replica()}) : Event(Tick{});
      case 3:
        return Scraped{any_replica(), upto(9), upto(4), rng_.uniform() * 1.2};
      case 4:
        return ReplicaProgress{any_replica(), Tokens(upto(1000))};
      case 5:
      case 6:
        return FirstByte{any_id()};
      case 7:
        return Gone{any_id()};
      case 8:
        return Failed{any_id(), static_cast<std::uint8_t>(rng_.below(2)),
                      static_cast<std::uint8_t>(rng_.below(2))};
      case 9:
      case 10:
      case 11:
        return Finished{any_id(), Tokens(1), Tokens(0), Tokens(upto(300))};
      default:
        return arrival();
    }
  }
  Event arrival() {
    Arrived a;
    a.id = RequestId(++next_id_);
    a.prompt = Tokens(upto(500));
    a.max_output = Tokens(upto(2) * upto(500));
    a.bytes = upto(60);
    a.priority = upto(5) - 1;
    a.tenant = rng_.below(4);
    if (rng_.below(4) == 0) a.deadline = desk_.now + seconds(upto(20));
    if (rng_.below(4) == 0) a.adapter = rng_.below(2) == 0 ? "a" : "b";
    return a;
  }

  /// What the event itself changes in the books, before the router speaks.
  void account(const Event& event) {
    if (const auto* a = std::get_if<Arrived>(&event)) {
      open_[a->id.value()] = 0;
      ++arrived_;
    } else if (const auto* f = std::get_if<Finished>(&event)) {
      auto it = open_.find(f->id.value());
      if (it != open_.end() && it->second != 0) open_.erase(it);
    } else if (const auto* g = std::get_if<Gone>(&event)) {
      auto it = open_.find(g->id.value());
      if (it == open_.end()) return;
      if (it->second != 0) cancel_due_ = {g->id.value(), it->second % kOrphan};
      open_.erase(it);
    } else if (const auto* x = std::get_if<Failed>(&event)) {
      auto it = open_.find(x->id.value());
      if (it != open_.end()) {
        if (x->busy != 0 && it->second != 0) --dispatches_[x->id.value()];  // no attempt
        it->second = 0;
      }
    } else if (const auto* d = std::get_if<ReplicaDown>(&event)) {
      for (auto& [id, replica] : open_) {
        if (replica == d->replica.value()) replica = started_.contains(id) ? kOrphan + replica : 0;
      }
    } else if (const auto* b = std::get_if<FirstByte>(&event)) {
      auto it = open_.find(b->id.value());
      if (it != open_.end() && it->second != 0) started_.insert(b->id.value());
    }
  }
  void settle(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      log_.push_back(action);
      if (const auto* d = std::get_if<Dispatch>(&action)) {
        ASSERT_TRUE(open_.contains(d->id.value())) << "bound after its end";
        ASSERT_EQ(open_[d->id.value()], 0u) << "bound twice";
        ASSERT_LE(++dispatches_[d->id.value()], kMaxAttempts);
        open_[d->id.value()] = d->replica.value();
      } else if (const auto* a = std::get_if<Answer>(&action)) {
        ASSERT_EQ(open_.erase(a->id.value()), 1u) << "answered twice or after its end";
        ASSERT_TRUE(a->outcome == Outcome::kUpstreamLost || a->retry_after >= seconds(1));
        ASSERT_LE(a->retry_after, seconds(60));
      } else if (const auto* c = std::get_if<Cancel>(&action)) {
        ASSERT_EQ(cancel_due_, std::pair(c->id.value(), c->replica.value()));
        cancel_due_ = {};
      }
    }
    ASSERT_EQ(cancel_due_.first, 0u) << "a client left and its replica was not told";
  }
  void check() {
    signal::Demand d = desk_.router.demand(desk_.now);
    std::int64_t waiting = 0, bound = 0;
    std::map<std::uint64_t, std::int64_t> held;
    for (auto [id, replica] : open_) {
      (replica == 0 ? waiting : bound) += 1;
      ++held[replica];
      std::int64_t position = desk_.router.position(RequestId(id));
      ASSERT_EQ(position >= 0, replica == 0);
      ASSERT_LT(position, d.queued_requests);
    }
    ASSERT_EQ(d.queued_requests, waiting);
    ASSERT_EQ(d.dispatched_requests, bound);
    ASSERT_EQ(d.arrived_total, arrived_);
    // Retries come back into a full queue: they are already accepted.
    ASSERT_LE(d.queued_requests, limits_.max_requests + 40);
    for (const ReplicaView& v : desk_.router.replicas()) {
      ASSERT_GE(v.in_flight, 0);
      ASSERT_GE(v.in_flight_tokens, 0);
      ASSERT_EQ(v.in_flight, held[v.replica.value()]) << "replica " << v.replica.value();
    }
    Instant wake = desk_.router.next_wake();
    ASSERT_TRUE(wake > desk_.now) << "something was due and not done";
  }

  Rng rng_;
  Options limits_;
  Desk desk_;
  std::uint64_t next_id_ = 0;
  std::int64_t arrived_ = 0;
  std::map<std::uint64_t, std::uint64_t> open_;  ///< id -> replica, 0: waits
  std::map<std::uint64_t, int> dispatches_;
  std::set<std::uint64_t> started_;
  std::pair<std::uint64_t, std::uint64_t> cancel_due_;
  std::vector<Action> log_;
};

TEST(RouterProperty, EveryRequestEndsOnceAndTheBooksBalance) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(seed);
    Life life(seed);
    life.run(60);
    life.end();
    if (HasFailure()) return;
  }
}

bool same(const Action& a, const Action& b) {
  if (a.index() != b.index()) return false;
  if (const auto* d = std::get_if<Dispatch>(&a)) {
    const auto& e = std::get<Dispatch>(b);
    return d->id == e.id && d->replica == e.replica;
  }
  if (const auto* d = std::get_if<Answer>(&a)) {
    const auto& e = std::get<Answer>(b);
    return d->id == e.id && d->outcome == e.outcome && d->retry_after == e.retry_after;
  }
  if (const auto* d = std::get_if<Cancel>(&a)) return d->id == std::get<Cancel>(b).id;
  return std::get<Drained>(a).replica == std::get<Drained>(b).replica;
}

TEST(RouterProperty, SameEventsGiveTheSameActions) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Life a(seed), b(seed);
    a.run(400);
    b.run(400);
    ASSERT_EQ(a.log().size(), b.log().size());
    for (std::size_t i = 0; i < a.log().size(); ++i) ASSERT_TRUE(same(a.log()[i], b.log()[i]));
  }
}

/// Credits hold whatever the order of arrivals and endings, as long as replicas do not change under
/// them.
TEST(RouterProperty, CreditIsNeverExceeded) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed, "credit");
    Desk desk;
    const std::int64_t seqs = 1 + static_cast<std::int64_t>(rng.below(6)), kv = 900;
    for (std::uint64_t r = 1; r <= 3; ++r) desk.up(r, seqs, kv);
    std::uint64_t id = 0;
    for (int i = 0; i < 200; ++i) {
      desk.now += millis(static_cast<std::int64_t>(rng.below(50)));
      if (rng.below(2) == 0) {
        desk.arrive(++id, static_cast<std::int64_t>(rng.below(1000)),
                    1 + static_cast<std::int64_t>(rng.below(300)));
      } else {
        desk.finish(1 + rng.below(id + 1));
      }
      std::int64_t idle = 0;
      for (const ReplicaView& v : desk.router.replicas()) {
        ASSERT_LE(v.in_flight, seqs);
        ASSERT_TRUE(v.in_flight_tokens <= kv || v.in_flight == 1);
        idle += v.in_flight == 0 ? 1 : 0;
      }
      ASSERT_TRUE(idle == 0 || desk.router.demand(desk.now).queued_requests == 0)
          << "a request waits while a replica is idle";
    }
  }
}

TEST(RouterProperty, SteadyStateAllocatesNothing) {
  Router router(Options{.class_weights = {4, 1}});
  std::vector<Action> actions;
  actions.reserve(64);
  Instant now = Instant::from_nanos(0);
  for (std::uint64_t r = 1; r <= 4; ++r) {
    router.handle(ReplicaUp{ReplicaId(r), 0, 8, 0, 0}, now, actions);
  }
  std::uint64_t arrived = 0, finished = 0;
  Rng rng(1, "steady");
  auto turn = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      now += millis(1);
      Arrived a = Desk::arrived(++arrived);
      a.priority = static_cast<std::int64_t>(rng.below(2));
      a.tenant = rng.below(8);
      router.handle(a, now, actions);
      actions.clear();
      if (arrived < 200) continue;  // leaves about 170 waiting
      // Requests of one flow start in order, so that the oldest ids are bound or done.
      router.handle(Finished{RequestId(++finished), Tokens(1), Tokens(0), Tokens(1)}, now, actions);
      router.handle(Gone{RequestId(finished)}, now, actions);
      actions.clear();
    }
  };
  turn(5000);
  std::int64_t before = allocations;
  turn(20'000);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace tidegate::route
