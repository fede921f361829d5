// The scale subresource of the API server for tests.
#include "live/kube/testing/api_server.h"
#include "live/kube/testing/patching.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

/// ".spec.replicas" -> what is there; null if nothing is.
const json* at_path(const json& object, std::string_view path) {
  const json* at = &object;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto dot = path.find('.');
    std::string name(path.substr(0, dot));
    if (!at->is_object() || !at->contains(name)) return nullptr;
    at = &at->at(name);
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot);
  }
  return at;
}

json::json_pointer pointer_of(std::string path) {
  for (char& c : path) {
    if (c == '.') c = '/';
  }
  return json::json_pointer(path);
}

std::string selector_of(const json& object) {
  std::string out;
  const json* labels = at_path(object, ".spec.selector.matchLabels");
  if (labels == nullptr) return out;
  for (const auto& [name, value] : labels->items()) {
    out += (out.empty() ? "" : ",") + name + "=" + value.get<std::string>();
  }
  return out;
}

std::string path_of(const ServedKind& kind, const char* which, const char* otherwise) {
  return kind.custom ? kind.scale_paths.value(which, "") : otherwise;
}

std::int64_t number_at(const json& object, const std::string& path) {
  const json* value = path.empty() ? nullptr : at_path(object, path);
  return value != nullptr && value->is_number_integer() ? value->get<std::int64_t>() : 0;
}

}  // namespace

Answer ApiServer::scale_of(const Asked& asked, const json& object) const {
  const ServedKind& kind = *asked.kind;
  std::string replicas = path_of(kind, "specReplicasPath", ".spec.replicas");
  if (kind.custom && at_path(object, replicas) == nullptr) {
    return internal_error("the spec replicas field \"" + replicas + "\" does not exist");
  }
  json meta = json::object();
  for (const char* own : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (object["metadata"].contains(own)) meta[own] = object["metadata"][own];
  }
  std::string selector = selector_of(object);
  if (kind.custom) {
    const json* path = at_path(object, kind.scale_paths.value("labelSelectorPath", ""));
    selector = path != nullptr && path->is_string() ? path->get<std::string>() : "";
  }
  json status = {
      {"replicas", number_at(object, path_of(kind, "statusReplicasPath", ".status.replicas"))}};
  if (!selector.empty()) status["selector"] = selector;
  json body = {{"kind", "Scale"},
               {"apiVersion", "autoscaling/v1"},
               {"metadata", std::move(meta)},
               {"spec", json::object()},  // omitempty: zero is not written
               {"status", std::move(status)}};
  if (std::int64_t wanted = number_at(object, replicas); wanted != 0) {
    body["spec"]["replicas"] = wanted;
  }
  return {200, std::move(body), "", {}};
}

Answer ApiServer::write_scale(const Asked& asked) {
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before) return not_found(*asked.kind, asked.name);
  json body = json::parse(asked.http->body, nullptr, false);
  if (asked.http->method == "PUT") {
    if (!body.is_object()) return bad_request("the body is no Scale");
    return take_scale(asked, before, body);
  }
  if (auto no = unacceptable_patch(*asked.kind, asked.content_type(), "scale")) return *no;
  if (body.is_discarded()) {
    return bad_request("error decoding patch: unexpected end of JSON input");
  }
  Answer now = scale_of(asked, *before);
  if (now.status != 200) {  // nothing was ever written: a patch may be the first
    now.body = {{"kind", "Scale"},
                {"apiVersion", "autoscaling/v1"},
                {"metadata", before->at("metadata")},
                {"spec", json::object()}};
  }
  auto scale = patched(now.body, asked.content_type(), body);
  if (!scale) return failure(422, "Invalid", scale.error().message);
  return take_scale(asked, before, *scale);
}

Answer ApiServer::take_scale(const Asked& asked, const ObjectPtr& before, const json& scale) {
  json meta = scale.value("metadata", json::object());
  std::string version = meta.value("resourceVersion", "");
  if (!version.empty() && version != before->at("metadata").value("resourceVersion", "")) {
    return conflict(*asked.kind, asked.name);
  }
  std::int64_t wanted = scale.value("spec", json::object()).value("replicas", std::int64_t{0});
  if (wanted < 0) {
    return invalid(
        "autoscaling", "Scale", asked.name,
        {{"FieldValueInvalid",
          "Invalid value: " + std::to_string(wanted) + ": must be greater than or equal to 0",
          "spec.replicas"}});
  }
  json object = *before;
  auto pointer = pointer_of(path_of(*asked.kind, "specReplicasPath", ".spec.replicas"));
  bool news = !object.contains(pointer) || object[pointer] != wanted;
  object[pointer] = wanted;
  if (news) {
    object["metadata"]["generation"] = before->at("metadata").value("generation", 0) + 1;
  }
  if (asked.dry()) return scale_of(asked, object);
  return scale_of(asked, news ? *store_.put(*asked.kind, std::move(object)) : *before);
}

}  // namespace tidegate::live::kube
