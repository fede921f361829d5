#include "core/policy/recent.h"

namespace tidegate::policy {

namespace {
void merge_closest(std::vector<Sample>& list) {
  std::size_t best = 0;
  for (std::size_t i = 1; i + 1 < list.size(); ++i) {
    if (list[i].value - list[i + 1].value < list[best].value - list[best + 1].value) best = i;
  }
  list[best].at = list[best + 1].at;
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(best) + 1);
}
}  // namespace

void note(std::vector<Sample>& list, Instant now, double value, Duration keep) {
  while (!list.empty() && list.back().value <= value) list.pop_back();
  list.push_back(Sample{now, value});
  std::size_t old = 0;
  while (old + 1 < list.size() && list[old].at < now - keep) ++old;
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(old));
  if (list.size() > kMaxRecent) merge_closest(list);
}

double largest(const std::vector<Sample>& list, Instant now, Duration length) {
  for (const Sample& sample : list) {
    if (sample.at >= now - length) return sample.value;
  }
  return list.empty() ? 0 : list.back().value;
}

}  // namespace tidegate::policy
