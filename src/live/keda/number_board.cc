#include "live/keda/number_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidegate::live::keda {
namespace {

constexpr std::size_t kMaxEchoed = 80;  // of a name that somebody sent

std::string quoted(const std::string& name) {
  return '"' + (name.size() <= kMaxEchoed ? name : name.substr(0, kMaxEchoed) + "...") + '"';
}

/// "a, b, c and 17 more"
template <typename Names, typename NameOf>
std::string listed(const Names& names, NameOf name_of) {
  if (names.empty()) return "none";
  std::string out;
  std::size_t n = 0;
  for (const auto& one : names) {
    if (n == NumberBoard::kMaxNamesListed) {
      return out + fmt::format(" and {} more", names.size() - n);
    }
    out += (n++ == 0 ? "" : ", ") + name_of(one);
  }
  return out;
}

std::string variants_of(const std::vector<VariantNumber>& numbers) {
  return listed(numbers, [](const VariantNumber& n) { return n.variant; });
}

Found standing_of(const std::string& model, const VariantNumber& number) {
  const std::string name = model + "/" + number.variant;
  switch (number.standing) {
    case Standing::kDecided:
      break;
    case Standing::kNotYet:
      return {Missing::kNotReady, "nothing is decided yet for " + name + ": ask again", number};
    case Standing::kNotLeader:
      return {Missing::kNotLeader, "another Tidegate leads and decides for " + name, number};
    case Standing::kWritesItself:
      return {Missing::kWritesItself,
              "Tidegate writes the replicas of " + name +
                  " itself, and two writers would fight: set scaling.mode: observe in the Model, "
                  "or delete the ScaledObject",
              number};
  }
  return {Missing::kNothing, "", number};
}

}  // namespace

void NumberBoard::on_change(std::function<void(const std::string&)> changed) {
  changed_ = std::move(changed);
}

void NumberBoard::publish(const std::string& model, std::vector<VariantNumber> numbers) {
  {
    std::lock_guard lock(mutex_);
    auto [it, added] = models_.try_emplace(model);
    if (!added && it->second == numbers) return;
    it->second = std::move(numbers);
  }
  if (changed_) changed_(model);
}

void NumberBoard::remove(const std::string& model) {
  {
    std::lock_guard lock(mutex_);
    if (models_.erase(model) == 0) return;
  }
  if (changed_) changed_(model);
}

void NumberBoard::know(Models models) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(known_, models) == models) return;
  }
  if (changed_) changed_("");
}

Found NumberBoard::find(const std::string& asked, const std::string& variant,
                        const std::string& ns) const {
  std::lock_guard lock(mutex_);
  auto found = ns.empty() ? models_.end() : models_.find(ns + "/" + asked);
  if (found == models_.end()) found = models_.find(asked);
  if (found == models_.end()) return no_model(asked);
  const auto& [model, numbers] = *found;
  if (variant.empty() && numbers.size() == 1) return standing_of(model, numbers.front());
  if (variant.empty()) {
    return {Missing::kWhich,
            "model " + model + " has several variants: name one in the trigger's metadata, " +
                "variant: " + variants_of(numbers),
            {}};
  }
  auto one = std::find_if(numbers.begin(), numbers.end(),
                          [&](const VariantNumber& n) { return n.variant == variant; });
  if (one != numbers.end()) return standing_of(model, *one);
  return {Missing::kNoSuchName,
          "no variant " + quoted(variant) + " of model " + model +
              "; there are: " + variants_of(numbers),
          {}};
}

Found NumberBoard::no_model(const std::string& model) const {
  if (known_ == Models::kMoreMayCome) {
    return {Missing::kNotReady,
            "no model " + quoted(model) + " so far; Models are still being read: ask again",
            {}};
  }
  return {Missing::kNoSuchName,
          "no model " + quoted(model) +
              "; there are: " + listed(models_, [](const auto& entry) { return entry.first; }),
          {}};
}

}  // namespace tidegate::live::keda
