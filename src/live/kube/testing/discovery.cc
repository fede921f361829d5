// What the API server for tests says about itself.
#include <set>

#include "live/kube/testing/api_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

json resource_entry(const ServedKind& kind, const std::string& subresource) {
  json out = {{"name", kind.plural + (subresource.empty() ? "" : "/" + subresource)},
              {"singularName", subresource.empty() ? kind.singular : ""},
              {"namespaced", kind.namespaced},
              {"kind", subresource == "scale" ? "Scale" : kind.kind}};
  if (subresource == "scale") {
    out["group"] = "autoscaling";
    out["version"] = "v1";
  }
  if (!subresource.empty()) {
    out["verbs"] = {"get", "patch", "update"};
    return out;
  }
  out["verbs"] = {"create", "delete", "deletecollection", "get",
                  "list",   "patch",  "update",           "watch"};
  if (!kind.short_names.empty()) out["shortNames"] = kind.short_names;
  if (!kind.categories.empty()) out["categories"] = kind.categories;
  if (!kind.custom) out["storageVersionHash"] = "AAAAAAAAAAA=";
  return out;
}

json group_entry(const std::string& group, const std::string& version) {
  json one = {{"groupVersion", group + "/" + version}, {"version", version}};
  return {{"name", group}, {"versions", {one}}, {"preferredVersion", one}};
}

/// "tidegate.dev" -> "dev.tidegate", as OpenAPI names the schemas of a group.
std::string reversed(const std::string& group) {
  std::string out;
  for (std::size_t end = group.size(); end != std::string::npos;) {
    const std::size_t dot = end == 0 ? std::string::npos : group.rfind('.', end - 1);
    const std::size_t from = dot == std::string::npos ? 0 : dot + 1;
    out += (out.empty() ? "" : ".") + group.substr(from, end - from);
    end = dot;
  }
  return out;
}

}  // namespace

Answer ApiServer::discovery(const std::string& path) const {
  if (path == "/readyz" || path == "/healthz" || path == "/livez") return {200, nullptr, "ok", {}};
  if (path == "/version") {
    return {200,
            {{"major", "1"}, {"minor", "33"}, {"gitVersion", "v1.33.0-test"}, {"platform", "test"}},
            "",
            {}};
  }
  const std::string openapi = "/openapi/v3";
  if (path.starts_with(openapi + "/apis/")) {
    json schemas = json::object();
    for (const ServedKind& kind : kinds_) {
      if (!kind.custom || path != openapi + "/apis/" + kind.api_version()) continue;
      schemas[reversed(kind.group) + "." + kind.version + "." + kind.kind] = kind.schema;
    }
    if (schemas.empty()) return page_not_found();
    return {200, {{"openapi", "3.0.0"}, {"components", {{"schemas", schemas}}}}, "", {}};
  }
  if (path == "/api") return {200, {{"kind", "APIVersions"}, {"versions", {"v1"}}}, "", {}};
  json groups = json::array();
  std::set<std::string> told;
  for (const ServedKind& kind : kinds_) {
    if (kind.group.empty() || !told.insert(kind.group).second) continue;
    json group = group_entry(kind.group, kind.version);
    if (path == "/apis/" + kind.group) {
      group["kind"] = "APIGroup";
      group["apiVersion"] = "v1";
      return {200, group, "", {}};
    }
    groups.push_back(std::move(group));
  }
  if (path == "/apis") {
    return {200, {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", groups}}, "", {}};
  }
  json resources = json::array();
  std::string served;
  for (const ServedKind& kind : kinds_) {
    if (path != (kind.group.empty() ? "/api/" : "/apis/") + kind.api_version()) continue;
    served = kind.api_version();
    resources.push_back(resource_entry(kind, ""));
    if (kind.scale) resources.push_back(resource_entry(kind, "scale"));
    if (kind.status) resources.push_back(resource_entry(kind, "status"));
  }
  if (served.empty()) return page_not_found();
  return {200,
          {{"kind", "APIResourceList"},
           {"apiVersion", "v1"},
           {"groupVersion", served},
           {"resources", resources}},
          "",
          {}};
}

}  // namespace tidegate::live::kube
