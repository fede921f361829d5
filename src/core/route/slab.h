#pragma once
// Storage of the router: slots that keep their index, lists and heaps that live inside them, an id
// index.
//
// Slab<T> hands out dense 32-bit slots and takes them back; List and IndexedHeap hold slots, their
// links sit in the T itself, so that moving a request between structures allocates nothing. IdIndex
// maps an id to its slot (open addressing, linear probing, backward-shift deletion; Knuth 6.4 R).
// All of them grow only at a new peak. Never iterated in hash order. Thread-safety: one owner.

#include <cstdint>
#include <utility>
#include <vector>

namespace tidegate::route {

using Slot = std::uint32_t;
inline constexpr Slot kNil = 0xFFFFFFFFu;

template <class T>
class Slab {
 public:
  Slot take() {
    if (free_.empty()) {
      items_.emplace_back();
      return static_cast<Slot>(items_.size() - 1);
    }
    Slot slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(Slot slot) {
    items_[slot] = T{};
    free_.push_back(slot);
  }
  T& operator[](Slot slot) { return items_[slot]; }
  const T& operator[](Slot slot) const { return items_[slot]; }
  std::size_t used() const { return items_.size() - free_.size(); }

 private:
  std::vector<T> items_;
  std::vector<Slot> free_;
};

/// Doubly linked list through T::prev and T::next.
struct List {
  Slot head = kNil;
  Slot tail = kNil;

  bool empty() const { return head == kNil; }
  /// Puts `slot` behind `after`; kNil: at the head.
  template <class T>
  void insert_after(Slab<T>& items, Slot after, Slot slot) {
    Slot next = after == kNil ? head : items[after].next;
    items[slot].prev = after;
    items[slot].next = next;
    (after == kNil ? head : items[after].next) = slot;
    (next == kNil ? tail : items[next].prev) = slot;
  }
  template <class T>
  void push_back(Slab<T>& items, Slot slot) {
    insert_after(items, tail, slot);
  }
  template <class T>
  void remove(Slab<T>& items, Slot slot) {
    T& item = items[slot];
    (item.prev == kNil ? head : items[item.prev].next) = item.next;
    (item.next == kNil ? tail : items[item.next].prev) = item.prev;
    item.prev = item.next = kNil;
  }
};

/// Binary min-heap of slots that knows where each slot stands. `Order` gives less(a, b) and
/// place(slot) -> Slot&.
class IndexedHeap {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  Slot top() const { return heap_.front(); }
  Slot at(std::size_t i) const { return heap_[i]; }

  template <class Order>
  void push(Order&& order, Slot slot) {
    heap_.push_back(slot);
    up(order, heap_.size() - 1);
  }
  template <class Order>
  void remove(Order&& order, Slot slot) {
    std::size_t hole = order.place(slot);
    Slot last = heap_.back();
    heap_.pop_back();
    order.place(slot) = kNil;
    if (hole == heap_.size()) return;
    heap_[hole] = last;
    order.place(last) = static_cast<Slot>(hole);
    update(order, last);
  }
  /// After the key of `slot` changed.
  template <class Order>
  void update(Order&& order, Slot slot) {
    down(order, up(order, order.place(slot)));
  }

 private:
  template <class Order>
  std::size_t up(Order& order, std::size_t i) {
    Slot slot = heap_[i];
    while (i > 0 && order.less(slot, heap_[(i - 1) / 2])) {
      heap_[i] = heap_[(i - 1) / 2];
      order.place(heap_[i]) = static_cast<Slot>(i);
      i = (i - 1) / 2;
    }
    heap_[i] = slot;
    order.place(slot) = static_cast<Slot>(i);
    return i;
  }
  template <class Order>
  void down(Order& order, std::size_t i) {
    Slot slot = heap_[i];
    for (std::size_t child; (child = 2 * i + 1) < heap_.size(); i = child) {
      if (child + 1 < heap_.size() && order.less(heap_[child + 1], heap_[child])) ++child;
      if (!order.less(heap_[child], slot)) break;
      heap_[i] = heap_[child];
      order.place(heap_[i]) = static_cast<Slot>(i);
    }
    heap_[i] = slot;
    order.place(slot) = static_cast<Slot>(i);
  }

  std::vector<Slot> heap_;
};

/// A 64-bit key to its slot.
class IdIndex {
 public:
  Slot find(std::uint64_t key) const {
    if (cells_.empty()) return kNil;
    for (std::size_t i = home(key);; i = next(i)) {
      if (cells_[i].slot == kNil) return kNil;
      if (cells_[i].key == key) return cells_[i].slot;
    }
  }
  /// `key` must not be there.
  void insert(std::uint64_t key, Slot slot) {
    if ((size_ + 1) * 2 > cells_.size()) grow();
    place({key, slot});
    ++size_;
  }
  void erase(std::uint64_t key) {
    if (cells_.empty()) return;
    std::size_t i = home(key);
    for (; cells_[i].key != key || cells_[i].slot == kNil; i = next(i)) {
      if (cells_[i].slot == kNil) return;
    }
    // Close the gap: a cell whose probe path crosses the hole moves into it.
    for (std::size_t j = next(i); cells_[j].slot != kNil; j = next(j)) {
      std::size_t mask = cells_.size() - 1;
      if (((j - home(cells_[j].key)) & mask) >= ((j - i) & mask)) {
        cells_[i] = cells_[j];
        i = j;
      }
    }
    cells_[i].slot = kNil;
    --size_;
  }
  std::size_t size() const { return size_; }

 private:
  struct Cell {
    std::uint64_t key = 0;
    Slot slot = kNil;
  };
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 20) & (cells_.size() - 1);
  }
  std::size_t next(std::size_t i) const { return (i + 1) & (cells_.size() - 1); }
  void place(Cell cell) {
    std::size_t i = home(cell.key);
    while (cells_[i].slot != kNil) i = next(i);
    cells_[i] = cell;
  }
  void grow() {
    std::vector<Cell> old = std::exchange(cells_, {});
    cells_.resize(old.empty() ? 64 : old.size() * 2);
    for (const Cell& cell : old) {
      if (cell.slot != kNil) place(cell);
    }
  }

  std::vector<Cell> cells_;
  std::size_t size_ = 0;
};

}  // namespace tidegate::route
