#pragma once
// One request as the router holds it, with the links of every structure it can stand in.
// Tokens, bytes; `cost` is what fairness charges and the drain rate counts: prompt + expected
// output.

#include <algorithm>
#include <cstdint>

#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/route/prefill_pace.h"
#include "core/route/slab.h"

namespace tidegate::route {

enum class Phase : std::uint8_t { kFree, kWaiting, kBound };

struct Request {
  RequestId id;
  std::uint64_t sequence = 0;  ///< order of arrival
  Instant arrived;
  Instant deadline;
  Instant due = Instant::never();     ///< sent to a replica later than this, it misses slo.ttft
  Instant urgent = Instant::never();  ///< from here on nothing but room counts, or it times out
  std::int64_t prompt = 0;
  std::int64_t max_output = 0;       ///< 0: not said
  std::int64_t expected_output = 0;  ///< as judged on arrival
  std::int64_t bytes = 0;
  std::uint64_t tenant_hash = 0;
  std::uint64_t adapter_hash = 0;  ///< 0: base model
  ReplicaId replica;               ///< bound to, or the last one that failed it
  Slot replica_slot = kNil;        ///< kNil: not bound, or its replica is gone
  std::uint32_t priority = 0;
  Phase phase = Phase::kFree;
  std::uint8_t attempts = 0;
  bool first_byte = false;
  bool retried = false;   ///< waits in the retry list of its class
  bool late = false;      ///< waits among those past `due`
  bool pressing = false;  ///< late, and past `urgent`
  PaceMark began;         ///< when its first byte came

  Slot prev = kNil, next = kNil;   ///< list of its class while it waits, of its replica while bound
  Slot deadline_place = kNil;      ///< in the deadline heap
  Slot due_place = kNil;           ///< in the heap of those for whom time changes something yet
  Slot tenant = kNil;              ///< its tenant while it waits
  Slot left = kNil, right = kNil;  ///< treap of its tenant
  std::int64_t tree_size = 1;
  std::int64_t tree_cost = 0;

  std::int64_t tokens() const { return prompt + expected_output; }
  /// KV tokens held, summed over the steps of its answer: its prompt and on average half of that.
  /// Bounded so that sums over a process's life fit in 64 bits.
  std::int64_t kv_token_steps() const {
    const double steps = static_cast<double>(expected_output);
    const double held = (static_cast<double>(prompt) + steps / 2) * steps;
    return static_cast<std::int64_t>(std::min(held, 1e12));
  }
  /// Bounded so that sums over a process's life fit in 64 bits.
  std::int64_t cost() const { return std::clamp<std::int64_t>(tokens(), 1, 1LL << 31); }
};

}  // namespace tidegate::route
