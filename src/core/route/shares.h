#pragma once
// Shares: one replica's credit shared out among the gateways that send to it.
//
//   std::vector<std::int64_t> shares = share_out(64, {{.need = 30}, {.need = 2}, {}}, turn);
//
// Who needs more than there is gets in proportion to need, but everyone one first, so that an idle
// gateway can always send one; where there are more gateways than units, those of the greatest need
// have them, and among equals `turn` says who comes first. What nobody needs is split evenly: the
// next burst may come anywhere.
//
// A share is given by message and is in force until a smaller one has been read: `committed` is
// what a gateway may still use or already holds. So a share is lowered at once, and raised only by
// what no other gateway may use: the sum of max(share, committed) exceeds the whole only where the
// committed alone do (the whole fell), and then nothing is raised. The shares themselves never
// exceed it. Sequences or KV tokens. O(n log n). Thread-safety: a function.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::route {

struct Claim {
  std::int64_t need = 0;       ///< what it holds and has waiting
  std::int64_t committed = 0;  ///< what it may use until it has read a smaller share, or holds
};

/// One for each claim, in order; none below 0. Negative numbers are taken for 0.
std::vector<std::int64_t> share_out(std::int64_t whole, std::span<const Claim> claims,
                                    std::size_t turn);

}  // namespace tidegate::route
