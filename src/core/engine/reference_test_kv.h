#pragma once
// ReferenceKv: the KV blocks of ReferenceEngine, each an object with a content, the free ones in
// one queue. For tests only; shares no code with the engine's own.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

namespace tidegate::engine::reference {

class ReferenceKv {
 public:
  using Prefix = std::vector<std::uint64_t>;  ///< all hashes up to and with a page, adapter first

  explicit ReferenceKv(std::int64_t total) : blocks_(static_cast<std::size_t>(total)) {
    for (int i = 0; i < total; ++i) free_.push_back(i);
  }
  std::int64_t total() const { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t free() const { return static_cast<std::int64_t>(free_.size()); }

  /// The block that was free for longest; what it held is forgotten, with the rest of its page.
  int take() {
    int b = free_.front();
    free_.pop_front();
    Block& block = at(b);
    if (!block.content.empty()) {
      for (int other : cache_.at(block.content)) {
        if (other != b) at(other).content.clear();
      }
      cache_.erase(block.content);
      block.content.clear();
    }
    block.holders = 1;
    return b;
  }
  /// The last first.
  void release(std::vector<int>& held) {
    for (auto b = held.rbegin(); b != held.rend(); ++b) {
      if (--at(*b).holders == 0) free_.push_back(*b);
    }
    held.clear();
  }
  bool has(const Prefix& content) const { return cache_.count(content) > 0; }
  void publish(const Prefix& content, const std::vector<int>& ids) {
    for (int b : ids) at(b).content = content;
    cache_[content] = ids;
  }
  /// Of a page that is there, how many blocks nobody holds.
  std::int64_t idle(const Prefix& content) const {
    const std::vector<int>& ids = cache_.at(content);
    return std::count_if(ids.begin(), ids.end(),
                         [&](int b) { return blocks_[static_cast<std::size_t>(b)].holders == 0; });
  }
  /// One holder more of each of its blocks.
  void hold(const Prefix& content, std::vector<int>& held) {
    for (int b : cache_.at(content)) {
      if (at(b).holders++ == 0) free_.erase(std::find(free_.begin(), free_.end(), b));
      held.push_back(b);
    }
  }

 private:
  struct Block {
    int holders = 0;
    Prefix content;  ///< empty: none
  };
  Block& at(int b) { return blocks_[static_cast<std::size_t>(b)]; }

  std::vector<Block> blocks_;
  std::deque<int> free_;
  std::map<Prefix, std::vector<int>> cache_;
};

}  // namespace tidegate::engine::reference
