// Writes of the API server for tests.
#include "live/kube/json_parts.h"
#include "live/kube/testing/api_server.h"
#include "live/kube/testing/checks.h"
#include "live/kube/testing/patching.h"
#include "live/kube/time_text.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr const char* kApply = "application/apply-patch+yaml";

json metadata(const json& object) {
  return object.is_object() ? object.value("metadata", json::object()) : json::object();
}

/// Kinds whose metadata.generation counts changes of their spec.
bool has_generation(const ServedKind& kind) {
  return kind.custom || kind.group == "apps" || kind.plural == "pods" ||
         kind.plural == "customresourcedefinitions";
}

}  // namespace

std::optional<Answer> unacceptable_patch(const ServedKind& kind, const std::string& content_type,
                                         const std::string& subresource) {
  bool strategic = content_type == "application/strategic-merge-patch+json";
  bool known = strategic || content_type == "application/merge-patch+json" ||
               content_type == "application/json-patch+json" || content_type == kApply;
  if (!known || (subresource == "scale" && content_type == kApply)) {
    return failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", json::object());
  }
  if (!strategic || !kind.custom) return std::nullopt;
  return failure(415, "UnsupportedMediaType",
                 "the body of the request was in an unknown format - accepted media types include: "
                 "application/json-patch+json, application/merge-patch+json, "
                 "application/apply-patch+yaml");
}

Answer ApiServer::create(const Asked& asked) {
  json object = json::parse(asked.http->body, nullptr, false);
  if (!object.is_object()) {
    return bad_request("couldn't get version/kind; json parse error: unexpected end of JSON input");
  }
  json& meta = object["metadata"];
  if (!meta.is_object()) meta = json::object();
  std::string name = text(meta, "name");
  if (name.empty() && !text(meta, "generateName").empty()) {
    name = text(meta, "generateName") + std::to_string(store_.version() + 1);
    meta["name"] = name;
  }
  if (name.empty()) {
    return invalid(asked.kind->group, asked.kind->kind, "",
                   {{"FieldValueRequired", "Required value: name or generateName is required",
                     "metadata.name"}});
  }
  if (!asked.ns.empty()) meta["namespace"] = asked.ns;
  meta.erase("resourceVersion");
  if (store_.find(*asked.kind, asked.ns, name)) return already_exists(*asked.kind, name);
  if (asked.kind->status && asked.kind->custom) object.erase("status");
  Asked named = asked;
  named.name = name;
  Answer answer = write(named, nullptr, std::move(object));
  if (answer.status == 200) answer.status = 201;
  return answer;
}

Answer ApiServer::replace(const Asked& asked) {
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before) return not_found(*asked.kind, asked.name);
  json object = json::parse(asked.http->body, nullptr, false);
  if (!object.is_object()) {
    return bad_request("couldn't get version/kind; json parse error: unexpected end of JSON input");
  }
  return write(asked, before, std::move(object));
}

Answer ApiServer::patch(const Asked& asked) {
  if (auto no = unacceptable_patch(*asked.kind, asked.content_type(), asked.subresource)) {
    return *no;
  }
  json change = json::parse(asked.http->body, nullptr, false);
  if (change.is_discarded()) {
    return bad_request("error decoding patch: unexpected end of JSON input");
  }
  if (asked.content_type() == kApply) return apply(asked, change);
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before) return not_found(*asked.kind, asked.name);
  auto object = patched(*before, asked.content_type(), change);
  if (!object) return failure(422, "Invalid", object.error().message);
  return write(asked, before, std::move(*object));
}

Answer ApiServer::apply(const Asked& asked, const json& config) {
  if (asked.query("fieldManager").empty()) {
    return invalid(
        "meta.k8s.io", "PatchOptions", "",
        {{"FieldValueRequired", "Required value: is required for apply patch", "fieldManager"}});
  }
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before && !asked.subresource.empty()) return not_found(*asked.kind, asked.name);
  const std::string onto = text(metadata(config), "resourceVersion");
  if (before && !onto.empty() && onto != text(metadata(*before), "resourceVersion")) {
    return conflict(*asked.kind, asked.name);
  }
  if (asked.kind->custom) {
    json declared = config;
    std::vector<std::string> unknown;
    complete(*asked.kind, declared, unknown);
    if (!unknown.empty()) {
      return failure(500, "",
                     "failed to create typed patch object (" + asked.ns + "/" + asked.name + "; " +
                         asked.kind->api_version() + ", Kind=" + asked.kind->kind + "): ." +
                         unknown.front() + ": field not declared in schema");
    }
  }
  json object = before ? *before : json();
  std::vector<Cause> causes;
  bool force = asked.query("force") == "true";
  if (!apply_config(*asked.kind, object, config, asked.writer(), force, causes)) {
    std::string said;
    json listed = json::array();
    for (const Cause& cause : causes) {
      said += (said.empty() ? "" : ", ") + cause.message + ": " + cause.field;
      listed.push_back(
          {{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
    }
    return failure(409, "Conflict",
                   "Apply failed with " + std::to_string(causes.size()) + " conflict" +
                       (causes.size() == 1 ? "" : "s") + ": " + said,
                   {{"causes", listed}});
  }
  if (!before && !asked.ns.empty()) object["metadata"]["namespace"] = asked.ns;
  Answer answer = write(asked, before, std::move(object));
  if (!before && answer.status == 200) answer.status = 201;
  return answer;
}

/// `object` is what somebody wants to be; the answer is what it becomes.
Answer ApiServer::write(const Asked& asked, const ObjectPtr& before, json object) {
  const ServedKind& kind = *asked.kind;
  json meta = metadata(object);
  std::string wanted_version = text(meta, "resourceVersion");
  if (before && !wanted_version.empty() &&
      wanted_version != text(metadata(*before), "resourceVersion")) {
    return conflict(kind, asked.name);
  }
  object["apiVersion"] = kind.api_version();
  object["kind"] = kind.kind;
  if (before) {
    for (const char* own : {"uid", "creationTimestamp", "resourceVersion", "generation", "name",
                            "namespace", "deletionTimestamp"}) {
      json value = metadata(*before).value(own, json());
      if (value.is_null()) {
        object["metadata"].erase(own);
      } else {
        object["metadata"][own] = value;
      }
    }
    // Each of the two writes its own half.
    if (asked.subresource == "status") {
      json whole = *before;
      whole["status"] = object.value("status", json::object());
      whole["metadata"]["managedFields"] = metadata(object).value("managedFields", json());
      object = std::move(whole);
    } else if (kind.status && before->contains("status")) {
      object["status"] = before->at("status");
    } else if (kind.status && kind.custom) {
      object.erase("status");
    }
  }
  if (auto no = undecodable(kind, object)) return *no;
  std::vector<std::string> unknown;
  complete(kind, object, unknown);
  std::vector<std::string> warnings;
  if (!unknown.empty() && asked.query("fieldValidation") == "Strict") {
    return bad_request(kind.kind + " in version \"" + kind.version + "\" cannot be handled as a " +
                       kind.kind + ": strict decoding error: unknown field \"" + unknown[0] + "\"");
  }
  for (const std::string& path : unknown) warnings.push_back("unknown field \"" + path + "\"");
  if (auto causes = faults(kind, object); !causes.empty()) {
    // The old and the new events share one kind, which is of no group.
    return invalid(kind.plural == "events" ? "" : kind.group, kind.kind, asked.name, causes);
  }
  return store(asked, before, std::move(object), std::move(warnings));
}

Answer ApiServer::store(const Asked& asked, const ObjectPtr& before, json object,
                        std::vector<std::string> warnings) {
  const ServedKind& kind = *asked.kind;
  bool spec_changed = !before || before->value("spec", json()) != object.value("spec", json());
  if (has_generation(kind) && spec_changed && asked.subresource != "status") {
    std::int64_t last = before ? metadata(*before).value("generation", std::int64_t{0}) : 0;
    object["metadata"]["generation"] = last + 1;
  }
  if (asked.content_type() != kApply) {
    json was = before ? *before : json();
    note_update(kind, was, object, asked.writer());
  }
  if (before && object == *before) return {200, *before, "", std::move(warnings)};
  if (asked.dry()) return {200, std::move(object), "", std::move(warnings)};
  ObjectPtr stored = store_.put(kind, std::move(object));
  if (kind.plural == "customresourcedefinitions") {
    std::erase_if(
        kinds_, [&](const ServedKind& one) { return one.custom && one.qualified() == asked.name; });
    for (ServedKind& served : kinds_of_definition(*stored)) kinds_.push_back(std::move(served));
  }
  return {200, *stored, "", std::move(warnings)};
}

/// What a scheduler says: the pod gets its node, once.
Answer ApiServer::bind(const Asked& asked) {
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before) return not_found(*asked.kind, asked.name);
  json binding = json::parse(asked.http->body, nullptr, false);
  std::string node = text(binding, "target", "name");
  json pod = *before;
  if (node.empty()) return bad_request("Binding: target.name: Required value");
  if (!text(pod, "spec", "nodeName").empty()) {
    return failure(409, "Conflict",
                   "Operation cannot be fulfilled on pods/binding \"" + asked.name + "\": pod " +
                       asked.name + " is already assigned to node \"" +
                       text(pod, "spec", "nodeName") + "\"");
  }
  pod["spec"]["nodeName"] = node;
  store_.put(*asked.kind, std::move(pod));
  return {201, {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}}, "", {}};
}

Answer ApiServer::remove(const Asked& asked) {
  ObjectPtr before = store_.find(*asked.kind, asked.ns, asked.name);
  if (!before) return not_found(*asked.kind, asked.name);
  if (asked.dry()) return {200, *before, "", {}};
  // A pod stays until its kubelet says that its containers have ended.
  bool at_once =
      asked.query("gracePeriodSeconds") == "0" || text(*before, "spec", "nodeName").empty();
  if (asked.kind->plural == "pods" && !at_once) {
    if (metadata(*before).contains("deletionTimestamp")) return {200, *before, "", {}};
    json going = *before;
    going["metadata"]["deletionTimestamp"] = format_time(net::WorldClock::wall_now());
    return {200, *store_.put(*asked.kind, std::move(going)), "", {}};
  }
  return {200, *store_.erase(*asked.kind, asked.ns, asked.name), "", {}};
}

}  // namespace tidegate::live::kube
