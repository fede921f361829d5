#pragma once
// WaitingQueue: the requests that wait inside a rank, first come first served, or by (priority,
// arrival).
//
// One list a priority level (exactly one under FCFS). Thread-safety: one owner.

#include <cstdint>
#include <vector>

#include "core/engine/sequence.h"

namespace tidegate::engine {

class WaitingQueue {
 public:
  explicit WaitingQueue(bool by_priority) : by_priority_(by_priority), levels_(1) {}

  std::int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// A new request: behind all others, or all of its priority.
  void push(Pool& pool, Slot slot) {
    level_of(pool[slot].priority).list.insert(pool, slot, kNoSlot);
    ++size_;
  }
  /// A preempted one: before all others, or by its arrival within its priority.
  void put_back(Pool& pool, Slot slot) {
    SequenceList& list = level_of(pool[slot].priority).list;
    Slot at = list.front();
    while (by_priority_ && at != kNoSlot && pool[at].arrival < pool[slot].arrival) {
      at = pool[at].next;
    }
    list.insert(pool, slot, at);
    ++size_;
  }
  void erase(Pool& pool, Slot slot) {
    auto at = find(by_priority_ ? pool[slot].priority : 0);
    at->list.erase(pool, slot);
    --size_;
    if (at->list.empty() && levels_.size() > 1) levels_.erase(at);
  }
  Slot front() const { return size_ == 0 ? kNoSlot : first_from(0); }
  /// The one behind `slot`; kNoSlot at the end.
  Slot after(const Pool& pool, Slot slot) const {
    if (pool[slot].next != kNoSlot || levels_.size() == 1) return pool[slot].next;
    std::size_t level = 0;
    while (levels_[level].priority <= pool[slot].priority) {
      if (++level == levels_.size()) return kNoSlot;
    }
    return first_from(level);
  }

 private:
  struct Level {
    std::int64_t priority = 0;
    SequenceList list;
  };
  std::vector<Level>::iterator find(std::int64_t priority) {
    auto at = levels_.begin();
    while (at != levels_.end() && at->priority < priority) ++at;
    return at;
  }
  Level& level_of(std::int64_t priority) {
    if (!by_priority_) return levels_.front();
    if (size_ == 0) levels_.front().priority = priority;  // the one level left may be any
    auto at = find(priority);
    if (at == levels_.end() || at->priority != priority)
      at = levels_.insert(at, Level{priority, {}});
    return *at;
  }
  Slot first_from(std::size_t level) const {
    while (level < levels_.size() && levels_[level].list.empty()) ++level;
    return level == levels_.size() ? kNoSlot : levels_[level].list.front();
  }

  bool by_priority_;
  std::int64_t size_ = 0;
  std::vector<Level> levels_;  ///< never empty; in order of priority
};

}  // namespace tidegate::engine
