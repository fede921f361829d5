#pragma once
// Store: the objects of an API server for tests, every write of them a new resourceVersion, and
// what watchers are told. Immutable versions, so that pages and watches see what was.
//
//   Store store;
//   store.put(pods, object);                       // MODIFIED, or ADDED where it is new
//   store.since(pods, "serve", 41, each);          // what happened after version 41
//   store.compact();                               // older versions are gone: 410
//
// Thread-safety: one owner.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tidegate::live::kube {

/// A kind the server serves.
struct ServedKind {
  std::string group, version, plural, singular, kind;
  bool namespaced = true;
  bool status = false, scale = false;
  bool custom = false;  ///< from a CustomResourceDefinition
  std::vector<std::string> short_names, categories;
  nlohmann::json schema;       ///< of a custom kind: openAPIV3Schema
  nlohmann::json scale_paths;  ///< of a custom kind: subresources.scale
  nlohmann::json columns;      ///< of a custom kind: additionalPrinterColumns
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  /// "deployments.apps", "pods": as messages name it.
  std::string qualified() const { return group.empty() ? plural : plural + "." + group; }
};

/// What every server has: pods, deployments, leases and so on.
std::vector<ServedKind> built_in_kinds();
/// From a CustomResourceDefinition; one for each version served.
std::vector<ServedKind> kinds_of_definition(const nlohmann::json& definition);

using ObjectPtr = std::shared_ptr<const nlohmann::json>;

struct Change {
  std::uint64_t version = 0;
  std::string type;        ///< ADDED, MODIFIED, DELETED
  std::string collection;  ///< "group/plural"
  std::string ns, name;
  ObjectPtr object, before;
};

class Store {
 public:
  static constexpr std::size_t kMaxChanges = 200'000;  ///< kept for watches; older are compacted

  ObjectPtr find(const ServedKind& kind, const std::string& ns, const std::string& name) const;
  /// All, by namespace and name; empty namespace: all namespaces.
  std::vector<ObjectPtr> all(const ServedKind& kind, const std::string& ns) const;
  /// Sets resourceVersion; uid and creationTimestamp where it is new.
  ObjectPtr put(const ServedKind& kind, nlohmann::json object);
  ObjectPtr erase(const ServedKind& kind, const std::string& ns, const std::string& name);

  std::uint64_t version() const { return version_; }
  std::uint64_t compacted() const { return compacted_; }
  void compact() { forget_until(version_); }
  void since(std::uint64_t version, const std::function<void(const Change&)>& each) const;
  /// Called after each write.
  std::function<void(const Change&)> on_change;

 private:
  void forget_until(std::uint64_t version);
  void record(Change change);
  std::string new_uid();

  using Name = std::pair<std::string, std::string>;
  std::map<std::string, std::map<Name, ObjectPtr>> collections_;
  std::deque<Change> changes_;
  std::uint64_t version_ = 1000, compacted_ = 2;
  std::uint64_t uids_ = 0;
};

}  // namespace tidegate::live::kube
