#pragma once
// Thinned: of any number of things in a row, a bounded number that still tells the extremes.
//
//   Thinned<Start> starts(200, [](const Start& a, const Start& b) { return a.total < b.total; });
//   starts.add(start);
//   starts.kept();   // up to 200, in the order added, each the largest of every() neighbours
//
// When full, of each two neighbours the smaller is dropped (the earlier of equals stays) and from
// then on the largest of twice as many is kept: so the largest of all is always there.
// Thread-safety: one owner.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace tidegate::sim {

template <class T>
class Thinned {
 public:
  using Less = std::function<bool(const T&, const T&)>;
  /// `most` is even and > 0.
  Thinned(std::size_t most, Less less) : most_(most), less_(std::move(less)) {}

  void add(T value) {
    ++total_;
    if (in_last_ == every_ || kept_.empty()) {
      if (kept_.size() == most_) halve();
      kept_.push_back(std::move(value));
      in_last_ = 1;
      return;
    }
    ++in_last_;
    if (less_(kept_.back(), value)) kept_.back() = std::move(value);
  }

  const std::vector<T>& kept() const { return kept_; }
  std::int64_t total() const { return total_; }
  /// How many neighbours each kept one stands for (the last perhaps fewer).
  std::int64_t every() const { return every_; }

 private:
  void halve() {
    for (std::size_t i = 0; i + 1 < kept_.size(); i += 2) {
      bool later = less_(kept_[i], kept_[i + 1]);
      T winner = std::move(kept_[later ? i + 1 : i]);
      kept_[i / 2] = std::move(winner);
    }
    kept_.resize(kept_.size() / 2);
    every_ *= 2;
  }

  std::size_t most_;
  Less less_;
  std::vector<T> kept_;
  std::int64_t total_ = 0, every_ = 1, in_last_ = 0;
};

}  // namespace tidegate::sim
