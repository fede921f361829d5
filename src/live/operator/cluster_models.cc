#include "live/operator/cluster_models.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

using net::Level;

constexpr const char* kApiVersion = "tidegate.dev/v1alpha1";

}  // namespace

ClusterModels::ClusterModels(std::shared_ptr<kube::KubeClient> client, ClusterModelsOptions options,
                             ClusterModelsHooks hooks)
    : client_(std::move(client)),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      rules_{.qualified = options_.namespaces.size() != 1, .trusted = options_.trusted} {
  std::vector<std::string> namespaces = options_.namespaces;
  if (namespaces.empty()) namespaces.emplace_back();  // of the whole cluster
  unlisted_ = namespaces.size();
  listed_.assign(namespaces.size(), false);
  for (std::size_t i = 0; i < namespaces.size(); ++i) {
    const std::string& ns = namespaces[i];
    informers_.push_back(std::make_unique<kube::Informer>(
        *client_, kube::Resource{kApiVersion, "models", ns}, "",
        kube::InformerHandler{
            .changed = [this](const std::string&, const nlohmann::json& object) { seen(object); },
            .removed = [this](const std::string& key) { gone(key); },
            .in_step = [this, i] { listed(i); },
            .trouble = [this, ns](const kube::ApiError& error) { trouble(ns, error); }},
        options_.informer));
  }
}

ClusterModels::~ClusterModels() = default;

void ClusterModels::start() {
  for (auto& informer : informers_) informer->start();
}

const ClusterModels::Entry* ClusterModels::find(const std::string& model) const {
  auto key = keys_.find(model);
  return key == keys_.end() ? nullptr : &entries_.at(key->second);
}

void ClusterModels::seen(const nlohmann::json& object) {
  ModelObject model = read_model(object, rules_);
  const std::string key = model.ns + "/" + model.name;
  Entry& entry = entries_[key];
  std::optional<format::LoadedModel> loaded = std::exchange(model.loaded, std::nullopt);
  const std::string faults = model.faults;
  const bool same =
      entry.object.uid == model.uid && loaded && entry.in_force && entry.document == loaded->hash;
  entry.object = std::move(model);
  candidates_.erase(key);
  if (same) {
    entry.in_force_generation = entry.object.generation;
    if (std::exchange(entry.faults, "").empty()) return;  // our own write of its status
  } else if (loaded) {
    const std::uint64_t document = loaded->hash;
    candidates_[key] = {std::move(*loaded), entry.object.generation, document};
  } else {
    if (entry.faults == faults) return;
    entry.faults = faults;
    net::log(Level::kWarn, "Model refused", {{"model", key}, {"error", faults}});
  }
  settle_soon();
}

void ClusterModels::gone(const std::string& key) {
  candidates_.erase(key);
  auto it = entries_.find(key);
  if (it == entries_.end()) return;
  keys_.erase(it->second.object.model);
  names_.release(key);
  entries_.erase(it);
  settle_soon();
}

void ClusterModels::listed(std::size_t informer) {
  troubles_.clear();
  if (listed_[informer]) return;
  listed_[informer] = true;
  --unlisted_;
  if (unlisted_ == 0) settle_soon();
}

void ClusterModels::trouble(const std::string& ns, const kube::ApiError& error) {
  std::string said = error.message;
  if (error.code == 404) {
    said +=
        "; is the CustomResourceDefinition installed? tidegate schema --crd | kubectl apply -f -";
  }
  // The words hold the query, which differs each time.
  const std::string kind = std::to_string(error.code) + error.reason;
  if (std::exchange(troubles_[ns], kind) == kind) return;
  net::log(Level::kWarn, "Models cannot be followed; those in force stay",
           {{"namespace", ns.empty() ? "all" : ns}, {"error", said}});
}

void ClusterModels::settle_soon() {
  if (std::exchange(due_, true)) return;
  client_->loop().defer([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    due_ = false;
    if (in_step()) settle();
  });
}

/// Names free themselves as others go, so every candidate has its chance; the oldest first.
void ClusterModels::settle() {
  std::vector<std::string> keys;
  for (const auto& [key, candidate] : candidates_) keys.push_back(key);
  std::stable_sort(keys.begin(), keys.end(), [this](const std::string& a, const std::string& b) {
    return entries_.at(a).object.created < entries_.at(b).object.created;
  });
  for (const auto& key : keys) try_candidate(key, entries_.at(key));
  hooks_.changed();
}

void ClusterModels::try_candidate(const std::string& key, Entry& entry) {
  Candidate& candidate = candidates_.at(key);
  Result<void> taken = hooks_.admit(candidate.loaded);
  if (taken) taken = names_.claim(key, candidate.loaded.model);
  if (!taken) {
    if (entry.faults != taken.error().message) {
      net::log(Level::kWarn, "Model refused", {{"model", key}, {"error", taken.error().message}});
    }
    entry.faults = taken.error().message;
    return;
  }
  keys_[candidate.loaded.model.name] = key;
  entry.in_force = std::move(candidate.loaded);
  entry.in_force_generation = candidate.generation;
  entry.document = candidate.document;
  entry.faults.clear();
  candidates_.erase(key);
}

Result<void> ClusterModels::claim_for_files(const std::vector<format::LoadedModel>& models) {
  Names names = names_;
  for (const auto& holder : of_files_) names.release(holder);
  std::vector<std::string> holders;
  for (const auto& loaded : models) {
    holders.push_back("file of " + loaded.model.name);
    if (auto mine = names.claim(holders.back(), loaded.model); !mine) return fail(mine.error());
  }
  names_ = std::move(names);
  of_files_ = std::move(holders);
  settle_soon();
  return {};
}

void ClusterModels::cannot_run(const std::string& model, const std::string& why) {
  auto key = keys_.find(model);
  if (key != keys_.end()) entries_.at(key->second).run_faults = why;
}

}  // namespace tidegate::live
