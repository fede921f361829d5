#pragma once
// Parallel: independent pieces of work on all cores, with a result that does not depend on them.
//
//   std::vector<Played> out(n);
//   for_each_index(n, threads, [&](std::size_t i) { out[i] = play(asked[i]); });
//
// Which thread takes which index is left open; so `work` writes to its own index alone, and reads
// nothing that another one writes. Returns when all are done. Thread-safety: a function.

#include <cstddef>
#include <functional>

namespace tidegate::sim {

/// 0: as many as the machine has.
std::size_t threads_of(std::size_t asked);
/// `work` must not throw.
void for_each_index(std::size_t n, std::size_t threads,
                    const std::function<void(std::size_t)>& work);

}  // namespace tidegate::sim
