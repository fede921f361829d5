#pragma once
// FairQueue: what waits, and who is next.
//
// Order: weighted fair by tokens across classes, then across the tenants of a class; inside a
// tenant those that can still make their TTFT before those that are late for it, earliest deadline
// first among each, first come first served among equal deadlines. When more comes than replicas
// carry, plain order of deadlines makes everybody late by the same; so most are served in time.
// After kInTime served in time one that is late is served: they do not starve. Fairness is
// self-clocked fair queueing (Golestani 1994) at both levels: a tag counts tokens / weight; whoever
// would finish first is served, and a flow that comes back starts at the clock of the one last
// served. So nobody starves while others come and go, and a flow that does not wait needs no
// memory. A retry stands at the head of its class and is not charged again.
//
// O(log n) for every call; a class is found by a scan over at most kMaxClasses. Steady state
// allocates nothing. Thread-safety: one owner.

#include <cstdint>
#include <vector>

#include "core/route/request.h"
#include "core/route/slab.h"

namespace tidegate::route {

class FairQueue {
 public:
  static constexpr std::size_t kMaxClasses = 16;
  static constexpr std::int64_t kInTime = 7;

  explicit FairQueue(Slab<Request>& requests) : requests_(requests) { set_weights({1}); }
  /// Weights below 1 count as 1; classes beyond kMaxClasses fold into the last. What waits stays.
  void set_weights(const std::vector<std::int64_t>& weights);
  /// The class a priority falls into.
  std::uint32_t class_of(std::int64_t priority) const;

  void push(Slot slot);
  void push_retry(Slot slot);
  /// Moves the next that is past `due` among the late, and says who; kNil: there is none, and time
  /// has changed all that it changes.
  Slot make_late(Instant now);
  /// Takes a waiting request out unserved.
  void remove(Slot slot);
  /// Who is next; kNil if nobody waits.
  Slot head() const;
  /// Takes head() out as served and charges its flow.
  void serve_head();

  std::int64_t requests() const { return count_; }
  std::int64_t bytes() const { return bytes_; }
  std::int64_t prompt_tokens() const { return prompt_; }
  std::int64_t expected_output() const { return output_; }
  std::int64_t kv_token_steps() const { return kv_token_steps_; }
  std::int64_t cost() const { return cost_; }
  /// Bytes of the classes less urgent than `of`, retries left out.
  std::int64_t displaceable_bytes(std::uint32_t of) const;
  /// The request worth least: the newest of the least urgent class in which one waits that has not
  /// been tried yet; kNil if there is none.
  Slot least_valuable() const;
  /// The one with the earliest deadline; kNil if nobody waits.
  Slot earliest_deadline() const { return deadlines_.empty() ? kNil : deadlines_.top(); }
  Instant oldest_arrival() const;

  /// Requests before it. Exact with one class and one tenant; else as if all flows had requests of
  /// one size.
  std::int64_t position(Slot slot) const;
  /// Cost that would be served before `request` if it came now; the same reading of fairness.
  std::int64_t cost_ahead(const Request& request) const;

 private:
  struct Tenant {
    std::uint64_t key = 0;
    std::uint32_t priority = 0;
    std::int64_t start = 0;    ///< tag at which its next service starts
    std::int64_t finish = 0;   ///< start + cost of its head
    std::int64_t in_time = 0;  ///< served since the last late one
    Slot root = kNil, late = kNil, head = kNil;
    Slot place = kNil;  ///< in the heap of its class
  };
  struct Class {
    std::int64_t weight = 1;
    std::int64_t start = 0;
    std::int64_t clock = 0;  ///< of its tenants
    IndexedHeap tenants;
    List retries;   ///< by sequence
    List arrivals;  ///< by sequence
    std::int64_t count = 0, retry_count = 0, bytes = 0, cost = 0;
  };
  struct DeadlineOrder;
  struct DueOrder;
  struct TenantOrder;

  Slot class_head(const Class& c) const;
  std::int64_t class_finish(const Class& c) const;
  std::int64_t active_weight(std::uint32_t with) const;
  void account(Slot slot, std::int64_t sign);
  void enter(Slot slot);
  Slot tenant_of(const Request& r) const;
  void leave_tenant(Slot slot);
  void insert(Slot& root, Slot slot);
  std::int64_t waiting(Slot root) const { return root == kNil ? 0 : requests_[root].tree_size; }
  void rekey(Slot tenant);
  bool before(Slot a, Slot b) const;
  Slot first_of(Slot root) const;
  bool late_is_next(const Tenant& t) const;
  void pull(Slot node);
  Slot merge(Slot a, Slot b);
  void split(Slot node, Slot key, Slot& less, Slot& rest);
  void erase(Slot& root, Slot slot);
  void count_in(Slot node, Slot slot, std::int64_t sign);

  Slab<Request>& requests_;
  Slab<Tenant> tenants_;
  IdIndex tenant_index_;
  std::vector<Class> classes_;
  std::size_t in_force_ = 1;  ///< classes a newcomer may fall into
  IndexedHeap deadlines_, dues_;
  std::int64_t clock_ = 0;  ///< of the classes
  std::int64_t count_ = 0, bytes_ = 0, prompt_ = 0, output_ = 0, kv_token_steps_ = 0, cost_ = 0;
};

}  // namespace tidegate::route
