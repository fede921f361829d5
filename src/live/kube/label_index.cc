#include "live/kube/label_index.h"

#include <algorithm>

namespace tidegate::live::kube {

std::string label_text(const std::string& key, const std::string& value) {
  return key + "=" + value;
}

void LabelIndex::add(Id id, Selector selector) {
  Known known{std::move(selector), {}};
  std::size_t least = SIZE_MAX;
  for (const Requirement& one : known.selector.requirements()) {
    if (one.test != Requirement::Test::kIn) continue;
    std::vector<std::string> places;
    std::size_t most = 0;
    for (const std::string& value : one.values) {
      places.push_back(label_text(one.key, value));
      auto there = by_label_.find(places.back());
      most = std::max(most, there == by_label_.end() ? 0 : there->second.size());
    }
    if (most >= least) continue;
    least = most;
    known.places = std::move(places);
  }
  std::sort(known.places.begin(), known.places.end());
  known.places.erase(std::unique(known.places.begin(), known.places.end()), known.places.end());
  for (const std::string& place : known.places) by_label_[place].push_back(id);
  if (known.places.empty()) anywhere_.push_back(id);
  known_.emplace(id, std::move(known));
}

void LabelIndex::remove(Id id) {
  auto it = known_.find(id);
  if (it == known_.end()) return;
  for (const std::string& place : it->second.places) {
    auto there = by_label_.find(place);
    std::erase(there->second, id);
    if (there->second.empty()) by_label_.erase(there);
  }
  std::erase(anywhere_, id);
  known_.erase(it);
}

std::vector<LabelIndex::Id> LabelIndex::picks(const Labels& labels) const {
  std::vector<Id> out;
  auto ask = [&](const std::vector<Id>& ids) {
    for (Id id : ids) {
      ++asked_;
      if (selector(id).matches(labels)) out.push_back(id);
    }
  };
  ask(anywhere_);
  // An object has one value of a key, so it meets a selector in one place only.
  for (const auto& [key, value] : labels) {
    if (auto there = by_label_.find(label_text(key, value)); there != by_label_.end()) {
      ask(there->second);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tidegate::live::kube
