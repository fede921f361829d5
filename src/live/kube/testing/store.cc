#include "live/kube/testing/store.h"

#include <fmt/format.h>

#include "live/kube/json_parts.h"
#include "live/kube/time_text.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

std::string collection_of(const ServedKind& kind) { return kind.group + "/" + kind.plural; }

}  // namespace

std::vector<ServedKind> built_in_kinds() {
  return {
      {"", "v1", "pods", "pod", "Pod", true, true, false, false, {"po"}, {"all"}},
      {"", "v1", "configmaps", "configmap", "ConfigMap", true, false, false, false, {"cm"}, {}},
      {"", "v1", "events", "event", "Event", true, false, false, false, {"ev"}, {}},
      {"", "v1", "namespaces", "namespace", "Namespace", false, true, false, false, {"ns"}, {}},
      {"", "v1", "nodes", "node", "Node", false, true, false, false, {"no"}, {}},
      {"", "v1", "secrets", "secret", "Secret", true, false, false, false, {}, {}},
      {"", "v1", "services", "service", "Service", true, true, false, false, {"svc"}, {"all"}},
      {"apps",
       "v1",
       "deployments",
       "deployment",
       "Deployment",
       true,
       true,
       true,
       false,
       {"deploy"},
       {"all"}},
      {"apps",
       "v1",
       "statefulsets",
       "statefulset",
       "StatefulSet",
       true,
       true,
       true,
       false,
       {"sts"},
       {"all"}},
      {"apps",
       "v1",
       "replicasets",
       "replicaset",
       "ReplicaSet",
       true,
       true,
       true,
       false,
       {"rs"},
       {"all"}},
      {"autoscaling",
       "v2",
       "horizontalpodautoscalers",
       "horizontalpodautoscaler",
       "HorizontalPodAutoscaler",
       true,
       true,
       false,
       false,
       {"hpa"},
       {"all"}},
      {"coordination.k8s.io", "v1", "leases", "lease", "Lease", true, false, false, false, {}, {}},
      {"events.k8s.io", "v1", "events", "event", "Event", true, false, false, false, {"ev"}, {}},
      {"discovery.k8s.io",
       "v1",
       "endpointslices",
       "endpointslice",
       "EndpointSlice",
       true,
       false,
       false,
       false,
       {},
       {}},
      {"apiextensions.k8s.io",
       "v1",
       "customresourcedefinitions",
       "customresourcedefinition",
       "CustomResourceDefinition",
       false,
       true,
       false,
       false,
       {"crd", "crds"},
       {"api-extensions"}},
  };
}

std::vector<ServedKind> kinds_of_definition(const json& definition) {
  std::vector<ServedKind> out;
  const json& spec = definition.at("spec");
  const json& names = spec.at("names");
  for (const json& version : spec.at("versions")) {
    if (!version.value("served", false)) continue;
    ServedKind kind;
    kind.group = text(spec, "group");
    kind.version = text(version, "name");
    kind.plural = text(names, "plural");
    kind.singular = text(names, "singular");
    kind.kind = text(names, "kind");
    kind.namespaced = text(spec, "scope") == "Namespaced";
    kind.custom = true;
    if (auto sub = version.find("subresources"); sub != version.end()) {
      kind.status = sub->contains("status");
      kind.scale = sub->contains("scale");
      if (kind.scale) kind.scale_paths = sub->at("scale");
    }
    if (auto schema = version.find("schema"); schema != version.end()) {
      kind.schema = schema->value("openAPIV3Schema", json::object());
    }
    kind.columns = version.value("additionalPrinterColumns", json::array());
    kind.short_names = names.value("shortNames", std::vector<std::string>{});
    kind.categories = names.value("categories", std::vector<std::string>{});
    out.push_back(std::move(kind));
  }
  return out;
}

ObjectPtr Store::find(const ServedKind& kind, const std::string& ns,
                      const std::string& name) const {
  auto collection = collections_.find(collection_of(kind));
  if (collection == collections_.end()) return nullptr;
  auto it = collection->second.find({ns, name});
  return it == collection->second.end() ? nullptr : it->second;
}

std::vector<ObjectPtr> Store::all(const ServedKind& kind, const std::string& ns) const {
  std::vector<ObjectPtr> out;
  auto collection = collections_.find(collection_of(kind));
  if (collection == collections_.end()) return out;
  for (const auto& [name, object] : collection->second) {
    if (ns.empty() || name.first == ns) out.push_back(object);
  }
  return out;
}

ObjectPtr Store::put(const ServedKind& kind, json object) {
  json& meta = object["metadata"];
  std::string ns = text(meta, "namespace"), name = text(meta, "name");
  ObjectPtr before = find(kind, ns, name);
  ++version_;
  meta["resourceVersion"] = std::to_string(version_);
  if (!before) {
    meta["uid"] = new_uid();
    meta["creationTimestamp"] = format_time(net::WorldClock::wall_now());
  }
  auto stored = std::make_shared<const json>(std::move(object));
  collections_[collection_of(kind)][{ns, name}] = stored;
  record({version_, before ? "MODIFIED" : "ADDED", collection_of(kind), ns, name, stored, before});
  return stored;
}

ObjectPtr Store::erase(const ServedKind& kind, const std::string& ns, const std::string& name) {
  ObjectPtr before = find(kind, ns, name);
  if (!before) return nullptr;
  collections_[collection_of(kind)].erase({ns, name});
  json last = *before;
  last["metadata"]["resourceVersion"] = std::to_string(++version_);
  auto stored = std::make_shared<const json>(std::move(last));
  record({version_, "DELETED", collection_of(kind), ns, name, stored, before});
  return stored;
}

void Store::record(Change change) {
  changes_.push_back(std::move(change));
  if (changes_.size() > kMaxChanges) forget_until(changes_.front().version);
  if (on_change) on_change(Change(changes_.back()));
}

void Store::forget_until(std::uint64_t version) {
  compacted_ = version;
  while (!changes_.empty() && changes_.front().version <= version) changes_.pop_front();
}

void Store::since(std::uint64_t version, const std::function<void(const Change&)>& each) const {
  for (const Change& change : changes_) {
    if (change.version > version) each(change);
  }
}

std::string Store::new_uid() {
  ++uids_;
  return fmt::format("00000000-0000-4000-8000-{:012x}", uids_);
}

}  // namespace tidegate::live::kube
