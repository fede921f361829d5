#include "core/route/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "core/base/rng.h"

namespace tidegate::route {
namespace {

/// The same law written the slow way: flat lists, scanned.
struct SlowQueue {
  struct Item {
    Slot slot;
    std::uint64_t sequence;
    std::uint32_t priority;
    std::uint64_t tenant;
    std::int64_t deadline, cost;
    bool retried;
    std::int64_t due = 1'000'000, urgent = 1'000'000;
  };
  struct Flow {
    std::int64_t start = 0;
  };
  std::vector<Item> items;
  std::vector<std::int64_t> weights;
  std::map<std::uint32_t, Flow> classes;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Flow> tenants;
  std::map<std::uint32_t, std::int64_t> class_clock;
  std::int64_t clock = 0;
  std::int64_t now = 0;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::int64_t> in_time;

  bool waits(std::uint32_t priority) const {
    return std::any_of(items.begin(), items.end(),
                       [&](const Item& i) { return i.priority == priority; });
  }
  bool waits(std::uint32_t priority, std::uint64_t tenant) const {
    return std::any_of(items.begin(), items.end(), [&](const Item& i) {
      return i.priority == priority && i.tenant == tenant && !i.retried;
    });
  }
  void push(Item item) {
    if (!waits(item.priority)) {
      classes[item.priority].start = std::max(classes[item.priority].start, clock);
    }
    if (!item.retried && !waits(item.priority, item.tenant)) {
      in_time[{item.priority, item.tenant}] = 0;
      tenants[{item.priority, item.tenant}].start = class_clock[item.priority];
    }
    items.push_back(item);
  }
  const Item* tenant_head(std::uint32_t priority, std::uint64_t tenant) const {
    const Item* in_order = first_of(priority, tenant, false);
    const Item* late = first_of(priority, tenant, true);
    if (!in_order || !late) return in_order ? in_order : late;
    auto served = in_time.find({priority, tenant});
    const bool turn = served != in_time.end() && served->second >= FairQueue::kInTime;
    return turn || late->urgent < now ? late : in_order;
  }
  const Item* first_of(std::uint32_t priority, std::uint64_t tenant, bool late) const {
    const Item* best = nullptr;
    for (const Item& i : items) {
      if (i.priority != priority || i.tenant != tenant || i.retried) continue;
      if ((i.due < now) != late) continue;
      if (!best || std::tie(i.deadline, i.sequence) < std::tie(best->deadline, best->sequence)) {
        best = &i;
      }
    }
    return best;
  }
  std::int64_t tenant_finish(const Item& i) const {
    return tenants.at({i.priority, i.tenant}).start + i.cost * 1024;
  }
  const Item* class_head(std::uint32_t priority) const {
    const Item* best = nullptr;
    for (const Item& i : items) {
      if (i.priority == priority && i.retried && (!best || i.sequence < best->sequence)) best = &i;
    }
    if (best) return best;
    for (const Item& i : items) {
      if (i.priority != priority || tenant_head(priority, i.tenant) != &i) continue;
      if (!best || std::pair(tenant_finish(i), i.sequence) <
                       std::pair(tenant_finish(*best), best->sequence)) {
        best = &i;
      }
    }
    return best;
  }
  std::int64_t class_finish(const Item& head) const {
    std::int64_t start = classes.at(head.priority).start;
    return head.retried ? start : start + head.cost * 1024 / weights[head.priority];
  }
  const Item* head() const {
    const Item* best = nullptr;
    for (std::uint32_t c = 0; c < weights.size(); ++c) {
      const Item* h = class_head(c);
      if (h && (!best || class_finish(*h) < class_finish(*best))) best = h;
    }
    return best;
  }
  void serve() {
    Item h = *head();
    classes[h.priority].start = class_finish(h);
    clock = std::max(clock, classes[h.priority].start);
    if (!h.retried) {
      std::int64_t finish = tenant_finish(h);
      class_clock[h.priority] = std::max(class_clock[h.priority], finish);
      tenants[{h.priority, h.tenant}].start = finish;
      std::int64_t& turns = in_time[{h.priority, h.tenant}];
      turns = h.due < now ? 0 : turns + 1;
    }
    remove(h.slot);
  }
  void remove(Slot slot) {
    std::erase_if(items, [&](const Item& i) { return i.slot == slot; });
  }
};

Slot make(Slab<Request>& requests, std::uint64_t sequence, std::uint32_t priority,
          std::uint64_t tenant, std::int64_t deadline, std::int64_t tokens) {
  Slot slot = requests.take();
  Request& r = requests[slot];
  r.sequence = sequence;
  r.id = RequestId(sequence);
  r.priority = priority;
  r.tenant_hash = tenant;
  r.arrived = Instant::from_nanos(static_cast<std::int64_t>(sequence));
  r.deadline = Instant::from_nanos(deadline);
  r.prompt = tokens;
  r.bytes = tokens * 4;
  return slot;
}

TEST(FairQueue, ServesWhatTheSlowQueueServesOnRandomTraffic) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed, "traffic");
    Slab<Request> requests;
    FairQueue fast(requests);
    SlowQueue slow;
    slow.weights = {4, 2, 1};
    fast.set_weights(slow.weights);
    std::vector<Slot> waiting;
    std::uint64_t sequence = 0;
    for (int step = 0; step < 120; ++step) {
      slow.now = step;
      while (fast.make_late(Instant::from_nanos(step)) != kNil) {
      }
      std::uint64_t dice = rng.below(10);
      if (dice < 6) {
        auto c = static_cast<std::uint32_t>(rng.below(3));
        std::uint64_t tenant = rng.below(4);
        auto deadline = static_cast<std::int64_t>(rng.below(5));
        auto tokens = static_cast<std::int64_t>(1 + rng.below(50));
        bool retry = rng.below(8) == 0;
        Slot slot = make(requests, ++sequence, c, tenant, deadline, tokens);
        const std::int64_t due = step + 2 + static_cast<std::int64_t>(rng.below(20));
        const std::int64_t urgent = due + static_cast<std::int64_t>(rng.below(40));
        requests[slot].due = Instant::from_nanos(due);
        requests[slot].urgent = Instant::from_nanos(urgent);
        retry ? fast.push_retry(slot) : fast.push(slot);
        slow.push({slot, sequence, c, tenant, deadline, tokens, retry, due, urgent});
        waiting.push_back(slot);
      } else if (dice < 7 && !waiting.empty()) {
        Slot slot = waiting[rng.below(waiting.size())];
        fast.remove(slot);
        slow.remove(slot);
        std::erase(waiting, slot);
        requests.give_back(slot);
      } else if (!waiting.empty()) {
        Slot slot = fast.head();
        ASSERT_EQ(slot, slow.head()->slot) << "seed " << seed << " step " << step;
        fast.serve_head();
        slow.serve();
        std::erase(waiting, slot);
        requests.give_back(slot);
      }
      ASSERT_EQ(fast.requests(), static_cast<std::int64_t>(slow.items.size()));
      std::int64_t bytes = 0, oldest = Instant::never().nanos(), first = oldest;
      for (const auto& i : slow.items) {
        bytes += i.cost * 4;
        oldest = std::min<std::int64_t>(oldest, static_cast<std::int64_t>(i.sequence));
        first = std::min(first, i.deadline);
      }
      ASSERT_EQ(fast.bytes(), bytes);
      ASSERT_EQ(fast.oldest_arrival().nanos(), oldest) << "seed " << seed;
      if (fast.earliest_deadline() != kNil) {
        ASSERT_EQ(requests[fast.earliest_deadline()].deadline.nanos(), first);
      }
    }
  }
}

TEST(FairQueue, SharesTokensByWeightWhileAllClassesWait) {
  Slab<Request> requests;
  FairQueue queue(requests);
  queue.set_weights({8, 1});
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    std::uint32_t c = i % 2;
    queue.push(make(requests, i, c, 0, 0, c == 0 ? 30 : 300));
  }
  std::int64_t served[2] = {0, 0};
  for (int i = 0; i < 500; ++i) {
    const Request& r = requests[queue.head()];
    served[r.priority] += r.cost();
    queue.serve_head();
  }
  EXPECT_NEAR(static_cast<double>(served[0]) / static_cast<double>(served[1]), 8.0, 1.0);
}

TEST(FairQueue, OldTenantIsServedThoughFreshOnesNeverStopComing) {
  Slab<Request> requests;
  FairQueue queue(requests);
  Slot old = make(requests, 1, 0, 1, 0, 1000);
  queue.push(old);
  int served = 0;
  for (std::uint64_t i = 2; queue.head() != old; ++i, ++served) {
    ASSERT_LT(served, 1000) << "the big request of the first tenant starves";
    queue.push(make(requests, i, 0, i, 0, 10));
    if (queue.head() == old) break;
    queue.serve_head();
  }
  EXPECT_LE(served, 101);  // 1000 tokens are owed a turn after about 1000 tokens of others
}

TEST(FairQueue, PositionCountsWhoStandsBeforeInOneFlow) {
  Slab<Request> requests;
  FairQueue queue(requests);
  Rng rng(7, "positions");
  std::vector<Slot> slots;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    slots.push_back(make(requests, i, 0, 0, static_cast<std::int64_t>(rng.below(20)), 10));
    queue.push(slots.back());
  }
  std::map<Slot, std::int64_t> said;
  for (Slot slot : slots) said[slot] = queue.position(slot);
  for (std::int64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(said[queue.head()], i);
    queue.serve_head();
  }
}

TEST(FairQueue, WhoIsLateStandsBehindWhoIsNotButForOneInEightAndTheUrgent) {
  Slab<Request> requests;
  FairQueue queue(requests);
  Slot late = make(requests, 1, 0, 0, 0, 10), pressing = make(requests, 2, 0, 0, 0, 10);
  for (Slot slot : {late, pressing}) {
    requests[slot].due = Instant::from_nanos(10);
    requests[slot].urgent = Instant::from_nanos(1000);
    queue.push(slot);
  }
  for (std::uint64_t i = 3; i <= 20; ++i) queue.push(make(requests, i, 0, 0, 0, 10));
  EXPECT_EQ(queue.head(), late) << "in time, in order";
  EXPECT_EQ(queue.make_late(Instant::from_nanos(10)), kNil) << "at the very instant";
  EXPECT_EQ(queue.make_late(Instant::from_nanos(11)), late);
  EXPECT_EQ(queue.make_late(Instant::from_nanos(11)), pressing);
  EXPECT_EQ(queue.make_late(Instant::from_nanos(11)), kNil);
  EXPECT_EQ(queue.position(late), 18) << "behind all that are in time";
  for (std::int64_t i = 0; i < FairQueue::kInTime; ++i) {
    EXPECT_EQ(requests[queue.head()].sequence, static_cast<std::uint64_t>(3 + i));
    queue.serve_head();
  }
  EXPECT_EQ(queue.head(), late);
  queue.serve_head();
  EXPECT_NE(queue.head(), pressing);
  EXPECT_EQ(queue.make_late(Instant::from_nanos(1001)), kNil);
  EXPECT_EQ(queue.head(), pressing);
}

TEST(FairQueue, WorthLeastIsTheNewestOfTheLeastUrgentAndNeverARetry) {
  Slab<Request> requests;
  FairQueue queue(requests);
  queue.set_weights({1, 1});
  Slot urgent = make(requests, 1, 0, 0, 0, 1), old = make(requests, 2, 1, 0, 0, 1);
  Slot newest = make(requests, 3, 1, 5, 0, 1), retried = make(requests, 4, 1, 0, 0, 1);
  for (Slot slot : {urgent, old, newest}) queue.push(slot);
  queue.push_retry(retried);
  EXPECT_EQ(queue.displaceable_bytes(0), 8);
  for (Slot expected : {newest, old, urgent}) {
    EXPECT_EQ(queue.least_valuable(), expected);
    queue.remove(expected);
  }
  EXPECT_EQ(queue.least_valuable(), kNil);
  EXPECT_EQ(queue.head(), retried);
}

TEST(IdIndex, FindsWhatAMapFinds) {
  Rng rng(3, "ids");
  IdIndex index;
  std::map<std::uint64_t, Slot> map;
  for (int i = 0; i < 20'000; ++i) {
    std::uint64_t key = rng.below(400) << 20;
    if (map.contains(key)) {
      index.erase(key);
      map.erase(key);
    } else {
      index.insert(key, static_cast<Slot>(i));
      map[key] = static_cast<Slot>(i);
    }
    std::uint64_t probe = rng.below(400) << 20;
    ASSERT_EQ(index.find(probe), map.contains(probe) ? map[probe] : kNil);
    ASSERT_EQ(index.size(), map.size());
  }
}

}  // namespace
}  // namespace tidegate::route
