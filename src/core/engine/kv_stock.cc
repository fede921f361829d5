#include "core/engine/kv_stock.h"

#include <algorithm>

#include "core/base/check.h"

namespace tidegate::engine {

KvStock::KvStock(std::int64_t total_blocks, std::int64_t blocks_per_page)
    : total_(total_blocks), free_(total_blocks), blocks_per_page_(blocks_per_page), nodes_(1) {
  nodes_[kRoot].anonymous = total_blocks;
  nodes_[kRoot].holders = 1;  // never idle
}

std::uint64_t KvStock::key_of(NodeIndex parent, std::uint64_t page) {
  std::uint64_t x = page + (std::uint64_t{parent} + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

std::int64_t KvStock::blocks(const Node& node) const {
  return static_cast<std::int64_t>(node.pages.size()) * blocks_per_page_;
}

KvStock::Match KvStock::match(const std::vector<std::uint64_t>& pages, std::int64_t limit) const {
  Match hit;
  limit = std::min(limit, static_cast<std::int64_t>(pages.size()));
  while (hit.pages < limit) {
    std::uint64_t page = pages[static_cast<std::size_t>(hit.pages)];
    std::uint64_t found = children_.find(key_of(hit.node, page));
    if (found == FlatMap::kNone) break;
    const Node& node = nodes_[found];
    if (node.parent != hit.node || node.pages[0] != page) break;  // two prefixes with one key
    auto most = std::min(limit - hit.pages, static_cast<std::int64_t>(node.pages.size()));
    auto first = pages.begin() + hit.pages;
    auto same = std::mismatch(first, first + most, node.pages.begin()).first - first;
    hit.node = static_cast<NodeIndex>(found);
    hit.pages_in_node = same;
    hit.pages += same;
    if (node.holders == 0) hit.idle_blocks += same * blocks_per_page_;
    if (same < static_cast<std::int64_t>(node.pages.size())) break;
  }
  return hit;
}

KvStock::NodeIndex KvStock::acquire(const Match& match) {
  if (match.node == kRoot) return kRoot;
  NodeIndex deepest = match.node;
  if (match.pages_in_node < static_cast<std::int64_t>(nodes_[deepest].pages.size())) {
    split(deepest, match.pages_in_node);
    deepest = nodes_[deepest].parent;
  }
  for (NodeIndex i = deepest; i != kRoot; i = nodes_[i].parent) {
    if (nodes_[i].holders++ == 0) {
      unlink(i);
      free_ -= blocks(nodes_[i]);
    }
  }
  return deepest;
}

void KvStock::take(std::int64_t wanted) {
  TIDEGATE_CHECK(wanted <= free_);
  free_ -= wanted;
  while (wanted > 0) {
    NodeIndex oldest = nodes_[kRoot].next;
    Node& node = nodes_[oldest];
    std::int64_t taken = std::min(wanted, node.anonymous);
    node.anonymous -= taken;
    wanted -= taken;
    if (wanted == 0) break;
    TIDEGATE_CHECK(oldest != kRoot);
    // Pages lose their names from the last one on; what is not wanted of the last stays free.
    auto have = static_cast<std::int64_t>(node.pages.size());
    std::int64_t evicted = std::min(have, (wanted + blocks_per_page_ - 1) / blocks_per_page_);
    node.anonymous += evicted * blocks_per_page_;
    if (evicted == have) {
      drop_key(oldest);
      unlink(oldest);
      recycle(oldest);
    } else {
      node.pages.resize(static_cast<std::size_t>(have - evicted));
    }
  }
}

KvStock::NodeIndex KvStock::publish(NodeIndex parent, const std::vector<std::uint64_t>& pages,
                                    std::int64_t from, std::int64_t to) {
  TIDEGATE_CHECK(from < to);
  std::uint64_t key = key_of(parent, pages[static_cast<std::size_t>(from)]);
  // Children never outlive their parent's name: where the first page is unknown, so are the rest.
  if (nodes_[parent].forgotten || children_.find(key) != FlatMap::kNone) return kRoot;
  NodeIndex index = make_node();
  Node& node = nodes_[index];
  node.pages.assign(pages.begin() + from, pages.begin() + to);
  node.key = key;
  node.parent = parent;
  node.holders = 1;
  children_.insert(key, index);
  return index;
}

void KvStock::release(NodeIndex index, std::int64_t anonymous_blocks) {
  nodes_[kRoot].anonymous += anonymous_blocks;
  free_ += anonymous_blocks;
  while (index != kRoot) {
    Node& node = nodes_[index];
    NodeIndex parent = node.parent;
    if (--node.holders == 0) {
      free_ += blocks(node);
      if (node.forgotten) {
        nodes_[kRoot].anonymous += blocks(node);
        recycle(index);
      } else {
        link_before(index, kRoot);
        std::swap(node.anonymous, nodes_[kRoot].anonymous);
      }
    }
    index = parent;
  }
  TIDEGATE_CHECK(free_ <= total_);
}

void KvStock::forget() {
  children_.clear();
  for (NodeIndex i = nodes_[kRoot].next; i != kRoot;) {
    NodeIndex next = nodes_[i].next;
    nodes_[i].anonymous += blocks(nodes_[i]);
    unlink(i);
    recycle(i);
    i = next;
  }
  for (Node& node : nodes_) node.forgotten = 1;
  nodes_[kRoot].forgotten = 0;
}

KvStock::NodeIndex KvStock::make_node() {
  if (spare_.empty()) {
    nodes_.emplace_back();
    return static_cast<NodeIndex>(nodes_.size() - 1);
  }
  NodeIndex index = spare_.back();
  spare_.pop_back();
  nodes_[index].forgotten = 0;
  return index;
}

void KvStock::recycle(NodeIndex index) {
  nodes_[index].pages.clear();  // keeps its memory for the next user
  spare_.push_back(index);
}

void KvStock::split(NodeIndex lower, std::int64_t pages) {
  // The lower part keeps its index: whoever holds it, and its children, name it by that.
  NodeIndex upper = make_node();
  Node& low = nodes_[lower];
  Node& up = nodes_[upper];
  up.pages.assign(low.pages.begin(), low.pages.begin() + pages);
  low.pages.erase(low.pages.begin(), low.pages.begin() + pages);
  up.parent = low.parent;
  up.key = low.key;
  up.holders = low.holders;
  if (up.holders == 0) link_before(upper, low.next);
  children_.insert(up.key, upper);
  low.parent = upper;
  low.key = key_of(upper, low.pages[0]);
  if (children_.find(low.key) == FlatMap::kNone) children_.insert(low.key, lower);
}

void KvStock::link_before(NodeIndex index, NodeIndex next) {
  Node& node = nodes_[index];
  node.next = next;
  node.prev = nodes_[next].prev;
  nodes_[node.prev].next = index;
  nodes_[next].prev = index;
  node.anonymous = 0;
}

void KvStock::unlink(NodeIndex index) {
  Node& node = nodes_[index];
  nodes_[node.next].anonymous += node.anonymous;
  node.anonymous = 0;
  nodes_[node.prev].next = node.next;
  nodes_[node.next].prev = node.prev;
}

void KvStock::drop_key(NodeIndex index) {
  // A key another prefix took first (see split) is not ours to drop.
  if (children_.find(nodes_[index].key) == index) children_.erase(nodes_[index].key);
}

}  // namespace tidegate::engine
