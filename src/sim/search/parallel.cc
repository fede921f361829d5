#include "sim/search/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace tidegate::sim {

std::size_t threads_of(std::size_t asked) {
  return asked > 0 ? asked : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

void for_each_index(std::size_t n, std::size_t threads,
                    const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  auto run = [&] {
    for (std::size_t i = next++; i < n; i = next++) work(i);
  };
  std::vector<std::thread> others;
  for (std::size_t t = 1; t < std::min(n, threads_of(threads)); ++t) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
}

}  // namespace tidegate::sim
