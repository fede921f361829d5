#pragma once
// EventQueue: what is to happen, in order of (time, sequence): equal times come out in the order
// they went in.
//
//   EventQueue<Kind> queue;
//   queue.push(now + seconds(1), Kind::kTick);
//   while (queue.next() <= until) handle(queue.pop());
//
// A binary heap; allocates only at a new peak. Thread-safety: one owner.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace tidegate::sim {

template <class Payload>
class EventQueue {
 public:
  void push(Instant at, Payload payload) {
    heap_.push_back({at, ++sequence_, std::move(payload)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  /// never() where nothing is to come.
  Instant next() const { return heap_.empty() ? Instant::never() : heap_.front().at; }
  /// Not empty.
  Payload pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Payload payload = std::move(heap_.back().payload);
    heap_.pop_back();
    return payload;
  }

 private:
  struct Entry {
    Instant at;
    std::uint64_t sequence = 0;
    Payload payload;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }
  std::vector<Entry> heap_;
  std::uint64_t sequence_ = 0;
};

}  // namespace tidegate::sim
