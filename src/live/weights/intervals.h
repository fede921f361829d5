#pragma once
// Intervals: which bytes of a file are there, as disjoint spans in order.
//
//   Intervals done;
//   done.add({0, 64});
//   std::optional<Span> next = done.gap({0, 1000}, 100);   // {64, 164}
//
// Spans are [from, to). Neighbours are joined. Thread-safety: one owner.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

namespace tidegate::live::weights {

struct Span {
  std::int64_t from = 0, to = 0;
  std::int64_t size() const { return to - from; }
  bool operator==(const Span&) const = default;
};

class Intervals {
 public:
  void add(Span span) {
    if (span.size() <= 0) return;
    auto it = first_touching(span);
    while (it != spans_.end() && it->first <= span.to) {
      span = {std::min(span.from, it->first), std::max(span.to, it->second)};
      total_ -= it->second - it->first;
      it = spans_.erase(it);
    }
    spans_[span.from] = span.to;
    total_ += span.size();
  }
  void remove(Span span) {
    if (span.size() <= 0) return;
    auto it = first_touching(span);
    while (it != spans_.end() && it->first < span.to) {
      const Span old{it->first, it->second};
      it = spans_.erase(it);
      total_ -= old.size();
      add({old.from, std::min(old.to, span.from)});
      add({std::max(old.from, span.to), old.to});
    }
  }
  /// The first bytes within `whole` that are not there, at most `most` of them.
  std::optional<Span> gap(Span whole, std::int64_t most) const {
    std::int64_t from = whole.from;
    for (const auto& [begin, end] : spans_) {
      if (end <= from) continue;
      if (begin > from) return Span{from, std::min({begin, from + most, whole.to})};
      from = end;
      if (from >= whole.to) return std::nullopt;
    }
    if (from >= whole.to) return std::nullopt;
    return Span{from, std::min(from + most, whole.to)};
  }
  /// How far it is whole from the start.
  std::int64_t prefix() const {
    return spans_.empty() || spans_.begin()->first > 0 ? 0 : spans_.begin()->second;
  }
  std::int64_t total() const { return total_; }
  void clear() {
    spans_.clear();
    total_ = 0;
  }

 private:
  std::map<std::int64_t, std::int64_t>::iterator first_touching(Span span) {
    auto it = spans_.lower_bound(span.from);
    if (it != spans_.begin() && std::prev(it)->second >= span.from) --it;
    return it;
  }
  std::map<std::int64_t, std::int64_t> spans_;
  std::int64_t total_ = 0;
};

}  // namespace tidegate::live::weights
