#pragma once
// LabelIndex: which of many selectors pick an object, without asking each: every selector stands
// under one label it requires, the one under which the fewest stand so far.
//
//   LabelIndex index;
//   index.add(7, Selector::parse("app=vllm,model=m-8b").value());
//   index.picks({{"app", "vllm"}, {"model", "m-8b"}});          // {7}
//
// Thread-safety: one owner.

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "live/kube/selector.h"

namespace tidegate::live::kube {

class LabelIndex {
 public:
  using Id = std::uint64_t;
  void add(Id id, Selector selector);
  void remove(Id id);
  /// In the order of ids.
  std::vector<Id> picks(const Labels& labels) const;
  const Selector& selector(Id id) const { return known_.at(id).selector; }
  /// "key=value" of every label that objects of `id` are looked for under; empty: any object.
  const std::vector<std::string>& places(Id id) const { return known_.at(id).places; }
  std::size_t size() const { return known_.size(); }
  std::size_t asked() const { return asked_; }  ///< selectors held against an object so far

 private:
  struct Known {
    Selector selector;
    std::vector<std::string> places;
  };
  std::map<Id, Known> known_;
  std::unordered_map<std::string, std::vector<Id>> by_label_;
  std::vector<Id> anywhere_;
  mutable std::size_t asked_ = 0;
};

std::string label_text(const std::string& key, const std::string& value);

}  // namespace tidegate::live::kube
