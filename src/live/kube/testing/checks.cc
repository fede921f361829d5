#include "live/kube/testing/checks.h"

#include <regex>
#include <set>
#include <string_view>

#include "live/kube/testing/cel.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr const char* kNamePart =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A part of a schema, empty where it is not given; not a copy, so that it can be walked.
const json& section(const json& schema, const char* name) {
  static const json kNone = json::object();
  auto it = schema.find(name);
  return it == schema.end() ? kNone : *it;
}

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

const char* type_name(const json& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_boolean()) return "boolean";
  if (value.is_number_integer()) return "integer";
  return value.is_number() ? "number" : "null";
}

bool is_type(const json& value, const std::string& type) {
  return type == type_name(value) || (type == "number" && value.is_number_integer());
}

void complete_by(const json& schema, json& value, const std::string& path,
                 std::vector<std::string>& unknown) {
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      complete_by(schema["items"], value[i], path + "[" + std::to_string(i) + "]", unknown);
    }
  }
  if (!value.is_object() || schema.value("x-kubernetes-preserve-unknown-fields", false)) return;
  if (schema.contains("additionalProperties")) {
    for (auto& [name, child] : value.items()) {
      if (schema["additionalProperties"].is_object()) {
        complete_by(schema["additionalProperties"], child, joined(path, name), unknown);
      }
    }
    return;
  }
  const json& properties = section(schema, "properties");
  for (auto it = value.begin(); it != value.end();) {
    bool own =
        path.empty() && (it.key() == "apiVersion" || it.key() == "kind" || it.key() == "metadata");
    if (own || properties.contains(it.key())) {
      ++it;
      continue;
    }
    unknown.push_back(joined(path, it.key()));
    it = value.erase(it);
  }
  for (const auto& [name, child] : properties.items()) {
    if (path.empty() && name == "metadata") continue;  // every kind's own; only bounds are ours
    if (!value.contains(name) && child.contains("default")) value[name] = child["default"];
    if (value.contains(name)) complete_by(child, value[name], joined(path, name), unknown);
  }
}

void bounds(const json& schema, const json& value, const std::string& path,
            std::vector<Cause>& out) {
  auto bad = [&](const std::string& said, const char* reason = "FieldValueInvalid") {
    out.push_back({reason, said, path});
  };
  std::string seen = "Invalid value: " + value.dump() + ": " + path + " in body should ";
  if (schema.contains("minimum")) {
    const json& least = schema["minimum"];
    const bool open = schema.value("exclusiveMinimum", false);
    if (value < least || (open && value == least)) {
      bad(seen + "be greater than " + (open ? "" : "or equal to ") + least.dump());
    }
  }
  if (schema.contains("maximum") && value > schema["maximum"]) {
    bad(seen + "be less than or equal to " + schema["maximum"].dump());
  }
  if (schema.contains("pattern") && value.is_string() &&
      !std::regex_search(value.get<std::string>(),
                         std::regex(schema["pattern"].get<std::string>()))) {
    bad(seen + "match '" + schema["pattern"].get<std::string>() + "'");
  }
  if (schema.contains("enum")) {
    bool listed = false;
    std::string all;
    for (const json& one : schema["enum"]) {
      listed = listed || one == value;
      all += (all.empty() ? "" : ", ") + one.dump();
    }
    if (!listed) {
      bad("Unsupported value: " + value.dump() + ": supported values: " + all,
          "FieldValueNotSupported");
    }
  }
}

std::size_t size_of(const json& value) {
  return value.is_string() ? value.get_ref<const std::string&>().size() : value.size();
}

/// Lengths and counts.
void sizes(const json& schema, const json& value, const std::string& path,
           std::vector<Cause>& out) {
  const std::size_t size = size_of(value);
  const bool text = value.is_string(), list = value.is_array();
  if (!text && !list && !value.is_object()) return;
  const char* most = text ? "maxLength" : list ? "maxItems" : "maxProperties";
  const char* least = text ? "minLength" : list ? "minItems" : "minProperties";
  const char* unit = text ? " bytes" : list ? " items" : " properties";
  if (schema.contains(most) && size > schema[most].get<std::size_t>()) {
    std::string at_most = schema[most].dump() + unit;
    out.push_back({text ? "FieldValueTooLong" : "FieldValueTooMany",
                   text ? "Too long: may not be more than " + at_most
                        : "Too many: " + std::to_string(size) + ": must have at most " + at_most,
                   path});
  }
  if (schema.contains(least) && size < schema[least].get<std::size_t>()) {
    out.push_back({"FieldValueInvalid",
                   "Invalid value: " + value.dump() + ": " + path +
                       " in body should have at least " + schema[least].dump() + unit,
                   path});
  }
}

/// Branches of our definitions say only what is required.
void branches(const json& schema, const json& value, const std::string& path,
              std::vector<Cause>& out) {
  if (!value.is_object()) return;
  for (const char* kind : {"oneOf", "anyOf"}) {
    if (!schema.contains(kind)) continue;
    int held = 0;
    for (const json& branch : schema[kind]) {
      bool all = true;
      for (const json& name : branch.value("required", json::array())) {
        all = all && value.contains(name.get<std::string>());
      }
      held += all ? 1 : 0;
    }
    const bool one = std::string_view(kind) == "oneOf";
    if (one ? held == 1 : held > 0) continue;
    out.push_back({"FieldValueInvalid",
                   "Invalid value: \"\": \"" + path + "\" must validate " +
                       (one ? "one and only one schema (oneOf). Found " +
                                  std::string(held == 0 ? "none valid" : "more than one valid")
                            : "at least one schema (anyOf)"),
                   ""});
  }
}

/// Lists of type set and map hold everything, or every key, once.
void duplicates(const json& schema, const json& value, const std::string& path,
                std::vector<Cause>& out) {
  const std::string type = schema.value("x-kubernetes-list-type", "atomic");
  if (!value.is_array() || type == "atomic") return;
  std::set<json> seen;
  for (std::size_t i = 0; i < value.size(); ++i) {
    json key = value[i];
    if (type == "map") {
      key = json::object();
      for (const json& name : schema["x-kubernetes-list-map-keys"]) {
        key[name.get<std::string>()] = value[i].is_object() ? value[i].value(name, json()) : json();
      }
    }
    if (seen.insert(key).second) continue;
    out.push_back({"FieldValueDuplicate", "Duplicate value: " + key.dump(),
                   path + "[" + std::to_string(i) + "]"});
  }
}

/// Types, bounds and what is required. True: of the kind that keeps rules from being checked.
bool shape(const json& schema, const json& value, const std::string& path,
           std::vector<Cause>& out) {
  std::string type = schema.value("type", "");
  if (!type.empty() && !is_type(value, type)) {
    std::string is = json(type_name(value)).dump();
    out.push_back(
        {"FieldValueTypeInvalid",
         "Invalid value: " + is + ": " + path + " in body must be of type " + type + ": " + is,
         path});
    return true;
  }
  bounds(schema, value, path, out);
  sizes(schema, value, path, out);
  branches(schema, value, path, out);
  duplicates(schema, value, path, out);
  bool blocking = false;
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      std::string at = path + "[" + std::to_string(i) + "]";
      blocking = shape(schema["items"], value[i], at, out) || blocking;
    }
  }
  if (!value.is_object()) return blocking;
  for (const auto& [name, child] : section(schema, "properties").items()) {
    if (!value.contains(name)) continue;
    blocking = shape(child, value[name], joined(path, name), out) || blocking;
  }
  const json& others = section(schema, "additionalProperties");
  for (auto it = value.begin(); others.is_object() && !others.empty() && it != value.end(); ++it) {
    blocking = shape(others, it.value(), joined(path, it.key()), out) || blocking;
  }
  for (const json& name : schema.value("required", json::array())) {
    if (value.contains(name.get<std::string>())) continue;
    out.push_back({"FieldValueRequired", "Required value", joined(path, name.get<std::string>())});
    blocking = true;
  }
  return blocking;
}

/// Rules, from the top down; returns whether there are any.
bool rules(const json& schema, const json& value, const std::string& path,
           std::vector<Cause>* out) {
  bool any = false;
  for (const json& rule : schema.value("x-kubernetes-validations", json::array())) {
    any = true;
    if (out == nullptr) continue;
    auto held = cel(rule.value("rule", ""), value);
    if (held && *held) continue;
    std::string said = held ? rule.value("message", "failed rule: " + rule.value("rule", ""))
                            : held.error().message;
    out->push_back({"FieldValueInvalid",
                    "Invalid value: \"" + std::string(type_name(value)) + "\": " + said,
                    path + rule.value("fieldPath", "")});
  }
  if (schema.contains("items")) {
    const json& items = schema["items"];
    if (out == nullptr) any = rules(items, json(), path, nullptr) || any;
    for (std::size_t i = 0; out != nullptr && value.is_array() && i < value.size(); ++i) {
      any = rules(items, value[i], path + "[" + std::to_string(i) + "]", out) || any;
    }
  }
  for (const auto& [name, child] : section(schema, "properties").items()) {
    const json below = value.is_object() ? value.value(name, json()) : json();
    if (below.is_null() && out != nullptr) continue;
    any = rules(child, below, joined(path, name), out) || any;
  }
  return any;
}

void structural(const json& schema, const std::string& path, std::vector<Cause>& out) {
  if (!schema.is_object()) return;
  bool free = schema.value("x-kubernetes-int-or-string", false) ||
              schema.value("x-kubernetes-preserve-unknown-fields", false);
  if (schema.value("type", "").empty() && !free) {
    out.push_back({"FieldValueRequired",
                   "Required value: must not be empty for specified object fields",
                   path + ".type"});
  }
  for (const auto& [name, child] : section(schema, "properties").items()) {
    structural(child, path + ".properties[" + name + "]", out);
  }
  if (schema.contains("items")) structural(schema["items"], path + ".items", out);
  if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object()) {
    structural(schema["additionalProperties"], path + ".additionalProperties", out);
  }
}

void complete_definition(json& object) {
  json& spec = object["spec"];
  json& names = spec["names"];
  if (!names.contains("listKind")) names["listKind"] = names.value("kind", "") + "List";
  if (!names.contains("singular")) {
    std::string singular = names.value("kind", "");
    for (char& c : singular) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    names["singular"] = singular;
  }
  if (!spec.contains("conversion")) spec["conversion"] = {{"strategy", "None"}};
  if (object.contains("status")) return;
  json stored = json::array();
  for (const json& version : spec.value("versions", json::array())) {
    if (version.value("storage", false)) stored.push_back(version.value("name", ""));
  }
  object["status"] = {{"conditions", nullptr},
                      {"acceptedNames", {{"plural", ""}, {"kind", ""}}},
                      {"storedVersions", stored}};
}

std::vector<Cause> event_faults(const json& object) {
  std::vector<Cause> out;
  for (const char* field : {"reportingController", "reportingInstance", "action"}) {
    if (!object.value(field, "").empty()) continue;
    out.push_back({"FieldValueRequired", "Required value", field});
    if (std::string(field) != "reportingController") continue;
    out.push_back({"FieldValueInvalid", "Invalid value: \"\": name part must be non-empty", field});
    out.push_back({"FieldValueInvalid", std::string("Invalid value: \"\": ") + kNamePart, field});
  }
  return out;
}

}  // namespace

void complete(const ServedKind& kind, json& object, std::vector<std::string>& unknown) {
  if (kind.custom) return complete_by(kind.schema, object, "", unknown);
  if (kind.plural == "customresourcedefinitions") return complete_definition(object);
  if (kind.group == "events.k8s.io") {
    object["deprecatedSource"] = object.value("deprecatedSource", json::object());
    for (const char* time : {"deprecatedFirstTimestamp", "deprecatedLastTimestamp"}) {
      if (!object.contains(time)) object[time] = nullptr;
    }
  } else if (kind.plural == "horizontalpodautoscalers" && !object.contains("status")) {
    object["status"] = {{"desiredReplicas", 0}, {"currentMetrics", nullptr}};
  }
}

std::optional<Answer> undecodable(const ServedKind& kind, const json& object) {
  if (kind.plural != "leases") return std::nullopt;
  static const std::regex kMicroTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d))");
  const json spec = object.value("spec", json::object());
  for (const char* field : {"acquireTime", "renewTime"}) {
    std::string time = spec.value(field, "");
    if (time.empty() || std::regex_match(time, kMicroTime)) continue;
    return bad_request("Lease in version \"v1\" cannot be handled as a Lease: parsing time \"" +
                       time +
                       "\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"Z\" as "
                       "\".000000\"");
  }
  return std::nullopt;
}

std::vector<Cause> faults(const ServedKind& kind, const json& object) {
  std::vector<Cause> out;
  if (kind.group == "events.k8s.io") return event_faults(object);
  if (kind.plural == "customresourcedefinitions") {
    for (const json& version : object["spec"].value("versions", json::array())) {
      structural(version.value("schema", json::object()).value("openAPIV3Schema", json::object()),
                 "spec.validation.openAPIV3Schema", out);
    }
    return out;
  }
  if (!kind.custom) return out;
  bool blocking = shape(kind.schema, object, "", out);
  if (!blocking) {
    rules(kind.schema, object, "", &out);
  } else if (rules(kind.schema, object, "", nullptr)) {
    out.push_back({"FieldValueInvalid",
                   "Invalid value: \"null\": some validation rules were not checked because the "
                   "object was invalid; correct the existing errors to complete validation",
                   "<nil>"});
  }
  return out;
}

}  // namespace tidegate::live::kube
