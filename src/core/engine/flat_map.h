#pragma once
// FlatMap: 64-bit key -> 64-bit value, open addressing, for look-ups only (it has no iteration, so
// nothing can depend on its order). Allocates only when it outgrows its largest size so far.
//
//   FlatMap map;
//   map.insert(7, 1);
//   map.find(7);  // 1;  FlatMap::kNone where absent
//
// Linear probing at a load of at most one half, deletion by backward shift (Knuth, vol. 3, 6.4, R).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidegate::engine {

class FlatMap {
 public:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};  ///< also: never a value

  FlatMap() : entries_(kSmallest) {}

  std::uint64_t find(std::uint64_t key) const {
    for (std::size_t i = home(key);; i = next(i)) {
      if (entries_[i].value == kNone || entries_[i].key == key) return entries_[i].value;
    }
  }

  /// Adds the key or replaces its value.
  void insert(std::uint64_t key, std::uint64_t value) {
    if (2 * (size_ + 1) > entries_.size()) grow();
    Entry& entry = entries_[slot(key)];
    if (entry.value == kNone) ++size_;
    entry = {key, value};
  }

  void erase(std::uint64_t key) {
    std::size_t hole = slot(key);
    if (entries_[hole].value == kNone) return;
    --size_;
    for (std::size_t i = next(hole); entries_[i].value != kNone; i = next(i)) {
      // An entry may move back into the hole unless its home lies after the hole.
      std::size_t mask = entries_.size() - 1;
      if (((i - home(entries_[i].key)) & mask) >= ((i - hole) & mask)) {
        entries_[hole] = entries_[i];
        hole = i;
      }
    }
    entries_[hole].value = kNone;
  }

  void clear() {
    for (Entry& entry : entries_) entry.value = kNone;
    size_ = 0;
  }
  std::size_t size() const { return size_; }

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::uint64_t value = kNone;
  };
  static constexpr std::size_t kSmallest = 64;

  std::size_t home(std::uint64_t key) const {
    key ^= key >> 32;
    key *= 0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(key >> 32) & (entries_.size() - 1);
  }
  std::size_t next(std::size_t i) const { return (i + 1) & (entries_.size() - 1); }
  std::size_t slot(std::uint64_t key) const {
    std::size_t i = home(key);
    while (entries_[i].value != kNone && entries_[i].key != key) i = next(i);
    return i;
  }
  void grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.value != kNone) entries_[slot(entry.key)] = entry;
    }
  }

  std::vector<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace tidegate::engine
