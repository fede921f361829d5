#include "live/weights/node_labels.h"

#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"

namespace tidegate::live::weights {
namespace {

using nlohmann::json;

const kube::Resource kNodes{"v1", "nodes", ""};

/// What a node lacks and has too much; empty: nothing.
json difference(const json& node, const NodeLabels::Names& ready) {
  const json& labels = kube::part(node, "metadata", "labels");
  json change = json::object();
  for (const auto& [key, value] : labels.items()) {
    if (!key.starts_with(kLabelPrefix)) continue;
    if (!ready.contains(key.substr(std::string_view(kLabelPrefix).size()))) change[key] = nullptr;
  }
  std::size_t count = 0;
  for (const std::string& name : ready) {
    if (++count > kMaxLabels) break;
    const std::string key = kLabelPrefix + name;
    auto has = labels.find(key);
    if (has == labels.end() || *has != "ready") change[key] = "ready";
  }
  return change;
}

}  // namespace

void NodeLabels::set(const Names& ready, Done done) {
  wishes_.push_back({ready, std::move(done)});
  if (wishes_.size() == 1) next();
}

void NodeLabels::next() {
  client_->call(kube::get(kNodes, node_), [this, alive = std::weak_ptr(alive_)](auto answer) {
    if (alive.expired()) return;
    if (!answer) return finish(fail(answer.error().message));
    seen(*answer);
  });
}

void NodeLabels::seen(const json& node) {
  const json change = difference(node, wishes_.front().ready);
  if (change.empty()) return finish({});
  client_->call(
      kube::patch(kNodes, node_, kube::PatchType::kMerge, {{"metadata", {{"labels", change}}}}),
      [this, alive = std::weak_ptr(alive_)](auto answer) {
        if (alive.expired()) return;
        finish(answer ? Result<void>() : fail(answer.error().message));
      });
}

void NodeLabels::finish(Result<void> result) {
  Wish wish = std::move(wishes_.front());
  wishes_.pop_front();
  if (!wishes_.empty()) next();
  wish.done(std::move(result));
}

}  // namespace tidegate::live::weights
