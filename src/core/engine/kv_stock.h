#pragma once
// KvStock: the paged KV memory of one rank, with its prefix cache.
//
// Blocks are counted, not named. A free block keeps its content until it is taken again, least
// recently freed first, and a request frees its blocks last token first: so a cached prefix loses
// its tail before its head. Content is known by page, a run of blocks that one prefix hash covers;
// pages that were computed together form one extent, a node of a radix tree, and the LRU list holds
// extents, not blocks: a request costs O(extents on its path) plus a comparison of hashes. Blocks
// without a hash are a mere count between two extents. Same order as vLLM's free-block queue
// (vllm/v1/core/block_pool.py: behaviour, not code); one difference: a page computed twice at once
// is cached once, the second copy is anonymous.
//
//   KvStock kv(25'000, 1);
//   KvStock::Match hit = kv.match(pages, 10);
//   if (hit.idle_blocks + more <= kv.free()) { node = kv.acquire(hit); kv.take(more); }
//
// Units: blocks; pages of `blocks_per_page`. Thread-safety: one owner.

#include <cstdint>
#include <vector>

#include "core/engine/flat_map.h"

namespace tidegate::engine {

class KvStock {
 public:
  using NodeIndex = std::uint32_t;
  static constexpr NodeIndex kRoot = 0;  ///< the empty prefix

  /// The longest cached prefix of some pages.
  struct Match {
    std::int64_t pages = 0;
    std::int64_t idle_blocks =
        0;                   ///< of these, blocks no running request holds: to be had from free()
    NodeIndex node = kRoot;  ///< deepest extent touched
    std::int64_t pages_in_node = 0;
  };

  KvStock(std::int64_t total_blocks, std::int64_t blocks_per_page);

  std::int64_t total() const { return total_; }
  std::int64_t free() const { return free_; }

  /// Looks up the first `limit` of `pages`.
  Match match(const std::vector<std::uint64_t>& pages, std::int64_t limit) const;
  /// Holds what was matched. The caller has checked match.idle_blocks <= free().
  NodeIndex acquire(const Match& match);
  /// Takes n <= free() anonymous blocks, evicting what was freed first.
  void take(std::int64_t blocks);
  /// Names blocks the caller took before: pages [from, to) continue the prefix at `node`, and are
  /// held. Returns kRoot, and changes nothing, where that content is cached already or `node` was
  /// forgotten.
  NodeIndex publish(NodeIndex node, const std::vector<std::uint64_t>& pages, std::int64_t from,
                    std::int64_t to);
  /// Gives back a request's anonymous blocks and its hold on the prefix at `node`.
  void release(NodeIndex node, std::int64_t anonymous_blocks);
  /// Forgets all content; held blocks stay held.
  void forget();

 private:
  struct Node {
    std::vector<std::uint64_t> pages;
    std::uint64_t key = 0;
    NodeIndex parent = kRoot;
    NodeIndex prev = kRoot, next = kRoot;  ///< LRU list, circular through the root; only while idle
    std::int64_t holders = 0;
    std::int64_t anonymous =
        0;  ///< free blocks without a name, to be taken just before these pages
    std::uint8_t forgotten = 0;
  };

  static std::uint64_t key_of(NodeIndex parent, std::uint64_t page);
  std::int64_t blocks(const Node& node) const;
  NodeIndex make_node();
  void recycle(NodeIndex index);
  void split(NodeIndex index, std::int64_t pages);
  void link_before(NodeIndex index, NodeIndex next);
  void unlink(NodeIndex index);
  void drop_key(NodeIndex index);

  std::int64_t total_, free_, blocks_per_page_;
  std::vector<Node> nodes_;  ///< [0] is the root and the list's end; its `anonymous` are the newest
  std::vector<NodeIndex> spare_;
  FlatMap children_;  ///< key_of(parent, first page) -> node
};

}  // namespace tidegate::engine
