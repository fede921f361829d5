#pragma once
// Sequence: one request inside a rank, and the orders it can stand in: a list, the finish heap, the
// adapters' counts. All are intrusive over one pool of sequences, so moving a request allocates
// nothing.
//
// Thread-safety: one owner.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/strong.h"
#include "core/engine/kv_stock.h"

namespace tidegate::engine {

using Slot = std::uint32_t;  ///< index into the pool
inline constexpr Slot kNoSlot = ~Slot{0};

/// kLeaving: finished, and what it holds is not free yet (async scheduling).
enum class Phase : std::uint8_t { kFree, kWaiting, kPrefill, kDecode, kLeaving };

struct Sequence {
  RequestId id;
  std::int64_t prompt = 0, output = 0;
  std::int64_t priority = 0;
  std::int64_t arrival = 0;    ///< running number: the order of submission
  std::int64_t submitted = 0;  ///< ns
  std::int64_t queued = 0;     ///< ns, the step boundary at which it was seen
  std::int64_t eligible = 0;   ///< first step it may run in
  std::int32_t adapter = -1;
  Phase phase = Phase::kFree;
  std::uint8_t aborted = 0;          ///< leaves at the end of the step in progress
  std::uint8_t scheduled_once = 0;   ///< kScheduled was told
  std::uint8_t publishes = 0;        ///< its pages still extend the shared prefix
  std::vector<std::uint64_t> pages;  ///< one hash a page of the prompt

  std::int64_t generated = 0;  ///< before its present prefill; kept over a preemption
  std::int64_t goal = 0;       ///< tokens to prefill: prompt + generated
  std::int64_t computed = 0;   ///< of goal, while kPrefill; all its tokens, while kLeaving
  std::int64_t joined = 0;     ///< step in which the prefill ended (its first new token)
  std::int64_t finish_step = 0;
  std::int64_t admission = 0;  ///< running number: the order in the batch
  std::int64_t cached = 0;     ///< tokens the cache gave at its first admission
  KvStock::NodeIndex node = KvStock::kRoot;
  std::int64_t shared_pages = 0;  ///< held through `node`; its other blocks are anonymous

  Slot prev = kNoSlot, next = kNoSlot;
  std::uint32_t heap_at = 0;
};

using Pool = std::vector<Sequence>;

/// A list through the pool.
class SequenceList {
 public:
  Slot front() const { return front_; }
  Slot back() const { return back_; }
  std::int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Inserts before `at`; kNoSlot: at the end.
  void insert(Pool& pool, Slot slot, Slot at) {
    Slot before = at == kNoSlot ? back_ : pool[at].prev;
    pool[slot].prev = before;
    pool[slot].next = at;
    (before == kNoSlot ? front_ : pool[before].next) = slot;
    (at == kNoSlot ? back_ : pool[at].prev) = slot;
    ++size_;
  }
  void erase(Pool& pool, Slot slot) {
    Slot before = pool[slot].prev, after = pool[slot].next;
    (before == kNoSlot ? front_ : pool[before].next) = after;
    (after == kNoSlot ? back_ : pool[after].prev) = before;
    --size_;
  }

 private:
  Slot front_ = kNoSlot, back_ = kNoSlot;
  std::int64_t size_ = 0;
};

/// Binary heap of the decoding sequences by (step in which they finish, order in the batch); any
/// one can be erased.
class FinishHeap {
 public:
  bool empty() const { return slots_.empty(); }
  Slot top() const { return slots_.front(); }
  void push(Pool& pool, Slot slot) {
    slots_.push_back(slot);
    rise(pool, slots_.size() - 1);
  }
  void erase(Pool& pool, Slot slot) {
    std::size_t hole = pool[slot].heap_at;
    Slot last = slots_.back();
    slots_.pop_back();
    if (last == slot) return;
    slots_[hole] = last;
    sink(pool, hole);
    rise(pool, pool[last].heap_at);
  }

 private:
  static bool before(const Sequence& a, const Sequence& b) {
    return a.finish_step != b.finish_step ? a.finish_step < b.finish_step
                                          : a.admission < b.admission;
  }
  void rise(Pool& pool, std::size_t i) {
    Slot slot = slots_[i];
    for (; i > 0; i = (i - 1) / 2) {
      Slot parent = slots_[(i - 1) / 2];
      if (!before(pool[slot], pool[parent])) break;
      place(pool, i, parent);
    }
    place(pool, i, slot);
  }
  void sink(Pool& pool, std::size_t i) {
    Slot slot = slots_[i];
    for (std::size_t child; (child = 2 * i + 1) < slots_.size(); i = child) {
      if (child + 1 < slots_.size() && before(pool[slots_[child + 1]], pool[slots_[child]])) {
        ++child;
      }
      if (!before(pool[slots_[child]], pool[slot])) break;
      place(pool, i, slots_[child]);
    }
    place(pool, i, slot);
  }
  void place(Pool& pool, std::size_t i, Slot slot) {
    slots_[i] = slot;
    pool[slot].heap_at = static_cast<std::uint32_t>(i);
  }

  std::vector<Slot> slots_;
};

/// How many requests of each adapter run and wait, in order of adapter.
class AdapterCounts {
 public:
  struct Entry {
    std::int32_t adapter = -1;
    std::int64_t running = 0, waiting = 0;
  };
  void add(std::int32_t adapter, std::int64_t running, std::int64_t waiting) {
    if (adapter < 0) return;
    auto at = find(adapter);
    if (at == entries_.end() || at->adapter != adapter) at = entries_.insert(at, Entry{adapter});
    distinct_running_ -= at->running > 0;
    at->running += running;
    at->waiting += waiting;
    distinct_running_ += at->running > 0;
    if (at->running == 0 && at->waiting == 0) entries_.erase(at);
  }
  /// Whether the adapter has one of `slots` slots, or one is free for it.
  bool admits(std::int32_t adapter, std::int64_t slots) {
    if (adapter < 0 || distinct_running_ < slots) return true;
    auto at = find(adapter);
    return at != entries_.end() && at->adapter == adapter && at->running > 0;
  }
  std::int64_t distinct_running() const { return distinct_running_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry>::iterator find(std::int32_t adapter) {
    return std::lower_bound(entries_.begin(), entries_.end(), adapter,
                            [](const Entry& e, std::int32_t a) { return e.adapter < a; });
  }
  std::vector<Entry> entries_;
  std::int64_t distinct_running_ = 0;
};

}  // namespace tidegate::engine
