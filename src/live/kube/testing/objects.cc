#include "live/kube/testing/objects.h"

#include <cstdio>
#include <cstdlib>

#include "live/kube/json_parts.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr Duration kPatience = seconds(30);

std::string text_at(const json& object, const char* key) { return text(object, "metadata", key); }

/// The merge patch (RFC 7386) that makes `before` what is `wanted`.
json difference(const json& before, const json& wanted) {
  json out = json::object();
  for (const auto& [key, value] : before.items()) {
    if (!wanted.contains(key)) out[key] = nullptr;
  }
  for (const auto& [key, value] : wanted.items()) {
    auto was = before.find(key);
    if (was != before.end() && *was == value) continue;
    bool deeper = was != before.end() && was->is_object() && value.is_object();
    out[key] = deeper ? difference(*was, value) : value;
  }
  return out;
}

/// An Event as kubelets write it (v1), as a server gives it to those who ask the newer API.
json as_new_event(const json& old) {
  static constexpr const char* kRenamed[][2] = {{"involvedObject", "regarding"},
                                                {"message", "note"},
                                                {"source", "deprecatedSource"},
                                                {"firstTimestamp", "deprecatedFirstTimestamp"},
                                                {"lastTimestamp", "deprecatedLastTimestamp"},
                                                {"count", "deprecatedCount"},
                                                {"reportingComponent", "reportingController"}};
  json out = old;
  for (const auto& [from, to] : kRenamed) {
    if (!out.contains(from)) continue;
    out[to] = std::move(out[from]);
    out.erase(from);
  }
  return out;
}

}  // namespace

json StoredObjects::find(const std::string& api_version, const std::string& plural,
                         const std::string& ns, const std::string& name) {
  ObjectPtr found = server_.find(api_version, plural, ns, name);
  return found ? *found : json();
}

std::vector<json> StoredObjects::all(const std::string& api_version, const std::string& plural,
                                     const std::string& ns) {
  std::vector<json> out;
  for (const ObjectPtr& one : server_.all(api_version, plural, ns)) out.push_back(*one);
  return out;
}

void StoredObjects::put(const std::string& api_version, const std::string& plural, json object) {
  if (api_version == "v1" && plural == "events") {
    server_.put("events.k8s.io/v1", plural, as_new_event(object));
    return;
  }
  server_.put(api_version, plural, std::move(object));
}

void StoredObjects::remove(const std::string& api_version, const std::string& plural,
                           const std::string& ns, const std::string& name) {
  server_.erase(api_version, plural, ns, name);
}

RemoteObjects::RemoteObjects(const Access& access) : client_(*loop_, access) {}

ApiResult<json> RemoteObjects::ask(const ApiCall& call) {
  ApiResult<json> out = tl::unexpected(no_answer(call, client_.access().server, "in time"));
  bool answered = false;
  auto id = client_.call(call, [&](ApiResult<json> answer) {
    out = std::move(answer);
    answered = true;
  });
  if (!loop_->run_until([&] { return answered; }, kPatience)) client_.cancel(id);
  return out;
}

json RemoteObjects::must(const ApiCall& call) {
  auto answer = ask(call);
  if (answer) return std::move(*answer);
  std::fprintf(stderr, "%s\n", answer.error().message.c_str());
  std::abort();
}

json RemoteObjects::find(const std::string& api_version, const std::string& plural,
                         const std::string& ns, const std::string& name) {
  auto answer = ask(get({api_version, plural, ns}, name));
  if (!answer && answer.error().code != 404) must(get({api_version, plural, ns}, name));
  return answer ? *answer : json();
}

std::vector<json> RemoteObjects::all(const std::string& api_version, const std::string& plural,
                                     const std::string& ns) {
  json items = must(list({api_version, plural, ns}, "")).value("items", json());
  return items.is_array() ? items.get<std::vector<json>>() : std::vector<json>();
}

void RemoteObjects::put(const std::string& api_version, const std::string& plural, json object) {
  const Resource of{api_version, plural, text_at(object, "namespace")};
  json before = find(api_version, plural, of.ns, text_at(object, "name"));
  if (before.is_null()) {
    json made = object;
    made["metadata"].erase("resourceVersion");
    made.erase("status");
    before = must(create(of, made));
  }
  change(of, before, object);
}

/// A status, a node and an end are written each in a way of its own.
void RemoteObjects::change(const Resource& of, const json& before, const json& wanted) {
  const std::string name = text_at(before, "name");
  // What was read before somebody else's write says nothing of labels and specs.
  const std::string read_at = text_at(wanted, "resourceVersion");
  const bool stale = !read_at.empty() && read_at != text_at(before, "resourceVersion");
  const bool fresh = text_at(wanted, "uid").empty();
  json own = json::object(), meta = json::object();
  for (const char* key : {"labels", "annotations"}) {
    json differs = difference(part(before, "metadata", key), part(wanted, "metadata", key));
    if (!differs.empty() && !stale) meta[key] = std::move(differs);
  }
  if (!meta.empty()) own["metadata"] = std::move(meta);
  std::string node = text(wanted, "spec", "nodeName");
  if (of.plural == "pods") {
    if (!node.empty() && text(before, "spec", "nodeName").empty()) {
      ApiCall binding =
          create({of.api_version, "pods", of.ns}, {{"apiVersion", "v1"},
                                                   {"kind", "Binding"},
                                                   {"metadata", {{"name", name}}},
                                                   {"target", {{"kind", "Node"}, {"name", node}}}});
      binding.path += "/" + name + "/binding";
      must(binding);
    }
  } else if (wanted.contains("spec") && !stale) {
    // What the server has filled in stays: only what is wanted is held against it.
    json spec = part(before, "spec");
    spec.merge_patch(wanted["spec"]);
    json differs = difference(part(before, "spec"), spec);
    if (!differs.empty()) own["spec"] = std::move(differs);
  }
  if (wanted.contains("endpoints") && wanted["endpoints"] != part(before, "endpoints")) {
    own["endpoints"] = wanted["endpoints"];  // of an endpoint slice
  }
  if (!own.empty()) must(patch(of, name, PatchType::kMerge, own));
  if (wanted.contains("status")) {
    json status = difference(part(before, "status"), wanted["status"]);
    // A new object's status has fields that nobody here knows of.
    if (fresh) {
      std::erase_if(status.get_ref<json::object_t&>(),
                    [](const auto& field) { return field.second.is_null(); });
    }
    if (!status.empty()) must(patch(of, name, PatchType::kMerge, {{"status", status}}, "status"));
  }
  bool ends = part(wanted, "metadata").contains("deletionTimestamp");
  if (ends && !part(before, "metadata").contains("deletionTimestamp")) must(kube::remove(of, name));
}

void RemoteObjects::remove(const std::string& api_version, const std::string& plural,
                           const std::string& ns, const std::string& name) {
  ApiCall call = kube::remove({api_version, plural, ns}, name);
  call.query = "gracePeriodSeconds=0";
  auto answer = ask(call);
  if (!answer && answer.error().code != 404) must(call);
}

}  // namespace tidegate::live::kube
