#include "live/kube/testing/managed_fields.h"

#include <algorithm>

#include "live/kube/time_text.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using FieldSet = std::set<FieldPath>;

// Of built-in kinds: what their OpenAPI says by name.
const std::set<std::string> kMaps = {"f:labels", "f:annotations",  "f:data",      "f:requests",
                                     "f:limits", "f:nodeSelector", "f:conversion"};
const std::set<std::string> kAtomic = {"f:regarding", "f:selector"};
const std::map<std::string, std::string> kKeyed = {
    {"f:conditions", "type"}, {"f:containers", "name"}, {"f:env", "name"}, {"f:volumes", "name"}};

const json* schema_at(const ServedKind& kind, const FieldPath& path) {
  const json* at = &kind.schema;
  for (const std::string& step : path) {
    bool item = step.starts_with("k:");
    const char* down = item ? "items" : "properties";
    if (!at->is_object() || !at->contains(down)) return nullptr;
    at = &(*at)[down];
    if (item) continue;
    auto it = at->find(step.substr(2));
    if (it == at->end()) return nullptr;
    at = &*it;
  }
  return at;
}

/// The key of a list's items; empty: the list is one value.
std::string list_key(const ServedKind& kind, const FieldPath& path) {
  if (!kind.custom) {
    auto it = kKeyed.find(path.back());
    return it == kKeyed.end() ? "" : it->second;
  }
  const json* schema = schema_at(kind, path);
  if (schema == nullptr || schema->value("x-kubernetes-list-type", "") != "map") return "";
  return schema->value("x-kubernetes-list-map-keys", json::array({""}))[0].get<std::string>();
}

bool has_dot(const ServedKind& kind, const FieldPath& path) {
  if (path.empty()) return false;
  if (path.back().starts_with("k:")) return true;
  if (path[0] == "f:metadata") return path.size() > 1;
  return kind.custom || kMaps.contains(path.back());
}

void walk(const ServedKind& kind, const json& node, const FieldPath& path,
          std::map<FieldPath, json>& out) {
  auto below = [&](const std::string& step) {
    FieldPath next = path;
    next.push_back(step);
    return next;
  };
  bool atomic = !path.empty() && !kind.custom && kAtomic.contains(path.back());
  if (node.is_object() && !node.empty() && !atomic) {
    if (has_dot(kind, path)) out[below(".")] = nullptr;
    for (const auto& [name, child] : node.items()) walk(kind, child, below("f:" + name), out);
    return;
  }
  std::string key = node.is_array() ? list_key(kind, path) : "";
  if (key.empty()) {
    out[path] = node;
    return;
  }
  out[below(".")] = nullptr;
  for (const json& item : node) {
    json name = {{key, item.value(key, "")}};
    walk(kind, item, below("k:" + name.dump()), out);
  }
}

void insert(json& into, const FieldPath& path) {
  json* at = &into;
  for (const std::string& step : path) {
    json& next = (*at)[step];
    if (next.is_null()) next = json::object();
    at = &next;
  }
}

json to_json(const FieldSet& fields) {
  json out = json::object();
  for (const FieldPath& path : fields) insert(out, path);
  return out;
}

void from_json(const json& node, const FieldPath& path, FieldSet& out) {
  if (node.empty()) {
    out.insert(path);
    return;
  }
  for (const auto& [step, child] : node.items()) {
    FieldPath next = path;
    next.push_back(step);
    from_json(child, next, out);
  }
}

struct Entry {
  Writer writer;
  std::string operation, time;
  FieldSet fields;
};

std::vector<Entry> entries_of(const json& object) {
  std::vector<Entry> out;
  if (!object.is_object() || !object.contains("metadata")) return out;
  for (const json& one : object["metadata"].value("managedFields", json::array())) {
    Entry entry{{one.value("manager", ""), one.value("subresource", "")},
                one.value("operation", ""),
                one.value("time", ""),
                {}};
    if (one.contains("fieldsV1")) from_json(one["fieldsV1"], {}, entry.fields);
    out.push_back(std::move(entry));
  }
  return out;
}

void write_entries(const ServedKind& kind, json& object, std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.fields.empty(); });
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.operation < b.operation;  // Apply before Update
  });
  json list = json::array();
  for (const Entry& entry : entries) {
    json one = {{"manager", entry.writer.manager},  {"operation", entry.operation},
                {"apiVersion", kind.api_version()}, {"time", entry.time},
                {"fieldsType", "FieldsV1"},         {"fieldsV1", to_json(entry.fields)}};
    if (!entry.writer.subresource.empty()) one["subresource"] = entry.writer.subresource;
    list.push_back(std::move(one));
  }
  if (list.empty()) {
    object["metadata"].erase("managedFields");
  } else {
    object["metadata"]["managedFields"] = std::move(list);
  }
}

Entry& entry_for(std::vector<Entry>& entries, const Writer& writer, const std::string& operation) {
  for (Entry& entry : entries) {
    if (entry.writer.manager == writer.manager && entry.operation == operation &&
        entry.writer.subresource == writer.subresource) {
      return entry;
    }
  }
  return entries.emplace_back(
      Entry{writer, operation, format_time(net::WorldClock::wall_now()), {}});
}

std::string dotted(const FieldPath& path) {
  std::string out;
  for (const std::string& step : path) {
    if (step != ".")
      out += step.starts_with("f:") ? "." + step.substr(2) : "[" + step.substr(2) + "]";
  }
  return out;
}

void remove_at(json& object, const FieldPath& path) {
  json* at = &object;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (!path[i].starts_with("f:") || !at->is_object() || !at->contains(path[i].substr(2))) return;
    at = &(*at)[path[i].substr(2)];
  }
  if (at->is_object() && path.back().starts_with("f:")) at->erase(path.back().substr(2));
}

/// A merge patch that knows keyed lists: items are merged by their key.
void merge(const ServedKind& kind, json& into, const json& from, const FieldPath& path) {
  if (from.is_object() && into.is_object()) {
    for (const auto& [name, child] : from.items()) {
      FieldPath next = path;
      next.push_back("f:" + name);
      merge(kind, into[name], child, next);
    }
    return;
  }
  std::string key = from.is_array() && into.is_array() ? list_key(kind, path) : "";
  if (key.empty()) {
    into = from;
    return;
  }
  for (const json& item : from) {
    auto same = std::find_if(into.begin(), into.end(), [&](const json& old) {
      return old.value(key, json()) == item.value(key, json());
    });
    if (same == into.end()) {
      into.push_back(item);
    } else {
      merge(kind, *same, item, path);
    }
  }
}

}  // namespace

std::map<FieldPath, json> fields_of(const ServedKind& kind, const json& object) {
  std::map<FieldPath, json> out;
  if (!object.is_object()) return out;
  for (const auto& [name, child] : object.items()) {
    if (name == "kind" || name == "apiVersion" || name.starts_with("deprecated")) continue;
    if (name != "metadata") {
      walk(kind, child, {"f:" + name}, out);
      continue;
    }
    for (const char* own : {"labels", "annotations", "generateName", "ownerReferences"}) {
      if (child.contains(own)) walk(kind, child[own], {"f:metadata", std::string("f:") + own}, out);
    }
  }
  return out;
}

void note_update(const ServedKind& kind, const json& before, json& after, const Writer& writer) {
  auto was = fields_of(kind, before), is = fields_of(kind, after);
  if (kind.status && writer.subresource.empty()) {  // the other half is not this writer's
    auto of_status = [](const auto& field) { return field.first[0] == "f:status"; };
    std::erase_if(was, of_status);
    std::erase_if(is, of_status);
  }
  FieldSet changed, gone;
  for (const auto& [path, value] : is) {
    auto old = was.find(path);
    if (old == was.end() || old->second != value) changed.insert(path);
  }
  for (const auto& [path, value] : was) {
    if (!is.contains(path)) gone.insert(path);
  }
  auto entries = entries_of(before);
  for (Entry& entry : entries) {
    bool own = entry.writer.manager == writer.manager && entry.operation == "Update" &&
               entry.writer.subresource == writer.subresource;
    for (const FieldPath& path : gone) entry.fields.erase(path);
    for (const FieldPath& path : changed) {
      if (!own) entry.fields.erase(path);
    }
  }
  if (!changed.empty()) {
    Entry& own = entry_for(entries, writer, "Update");
    own.fields.insert(changed.begin(), changed.end());
  }
  write_entries(kind, after, std::move(entries));
}

bool apply_config(const ServedKind& kind, json& object, const json& config, const Writer& writer,
                  bool force, std::vector<Cause>& causes) {
  auto said = fields_of(kind, config);
  std::erase_if(said, [](const auto& field) {
    return field.first.back() == "." && !field.first[field.first.size() - 2].starts_with("k:");
  });
  auto entries = entries_of(object);
  auto is = fields_of(kind, object);
  for (Entry& entry : entries) {
    if (entry.writer.manager == writer.manager && entry.operation == "Apply") continue;
    for (const auto& [path, value] : said) {
      auto now = is.find(path);
      if (path.back() == "." || now == is.end() || now->second == value ||
          !entry.fields.contains(path)) {
        continue;
      }
      if (force) {
        entry.fields.erase(path);
      } else {
        causes.push_back(
            {"FieldManagerConflict",
             "conflict with \"" + entry.writer.manager + "\" using " + kind.api_version(),
             dotted(path)});
      }
    }
  }
  if (!causes.empty()) return false;
  Entry& own = entry_for(entries, writer, "Apply");
  FieldSet dropped = own.fields;
  own.fields.clear();
  for (const auto& [path, value] : said) {
    own.fields.insert(path);
    dropped.erase(path);
  }
  for (const FieldPath& path : dropped) {
    bool shared = std::any_of(entries.begin(), entries.end(),
                              [&](const Entry& entry) { return entry.fields.contains(path); });
    if (!shared) remove_at(object, path);
  }
  json wanted = config;
  wanted["metadata"].erase("resourceVersion");
  if (!object.is_object()) object = json::object();
  merge(kind, object, wanted, {});
  write_entries(kind, object, std::move(entries));
  return true;
}

}  // namespace tidegate::live::kube
