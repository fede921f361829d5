// The CustomResourceDefinition: the option table's schema, with what an API server can hold against
// an object besides: rules between values (CEL), names that may exist once, the status and its
// columns. Source: Kubernetes docs, "Extend the Kubernetes API with CustomResourceDefinitions".
#include <algorithm>

#include "format/spec_schema.h"
#include "format/spec_schema_json.h"

namespace tidegate::format {
namespace {

/// A contradiction that `tidegate check` refuses, said in CEL. What CEL cannot see (values that may
/// be a text or a map, durations in days, other Models) the operator says in the status.
struct Rule {
  const char* at;  ///< "variants[].engine", below spec
  const char* rule;
  const char* message;
  const char* field;  ///< whose fault it is
};
// A bound that is not given has the option table's default: 1 for maxReplicas, 0 in a warm pool.
constexpr Rule kRules[] = {
    {"variants[]",
     "!has(self.minReplicas) || (has(self.maxReplicas) && self.minReplicas <= self.maxReplicas) || "
     "(!has(self.maxReplicas) && self.minReplicas <= 1)",
     "minReplicas is above maxReplicas, which is 1 where it is not given", ".minReplicas"},
    {"variants[].warmPool",
     "!has(self.minReplicas) || (has(self.maxReplicas) && self.minReplicas <= self.maxReplicas) || "
     "(!has(self.maxReplicas) && self.minReplicas <= 0)",
     "minReplicas is above maxReplicas, which is 0 where it is not given", ".minReplicas"},
    {"variants[].engine",
     "!has(self.maxNumSeqs) || !has(self.maxNumBatchedTokens) || self.maxNumSeqs <= "
     "self.maxNumBatchedTokens",
     "maxNumBatchedTokens is below maxNumSeqs: a step could not hold one token of each sequence",
     ".maxNumBatchedTokens"},
    {"scaling", "!has(self.mode) || self.mode != 'timed' || has(self.timedFor)",
     "mode timed needs timedFor, such as 2h", ".timedFor"},
    {"scaling.metrics[]",
     "!has(self.type) || self.type != 'Utilization' || !has(self.target) || self.target <= 1.0",
     "Utilization is a share: the target must be at most 1; write 0.7 for 70 %", ".target"},
    {"scaling.schedule[]",
     "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
     "minReplicas is above maxReplicas", ".minReplicas"},
};

/// The schema at "variants[].engine".
Json& schema_at(Json& spec, std::string_view path) {
  Json* at = &spec;
  while (!path.empty()) {
    auto dot = std::min(path.find('.'), path.size());
    std::string key(path.substr(0, dot));
    const bool list = key.ends_with("[]");
    if (list) key.resize(key.size() - 2);
    at = &at->at("properties").at(key);
    if (list) at = &at->at("items");
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *at;
}

/// Names that exist once, by the API server's own means; they merge by name in server-side apply.
void make_maps(Json& spec) {
  for (const char* list : {"variants", "adapters", "priorityClasses"}) {
    Json& at = schema_at(spec, list);
    at["x-kubernetes-list-type"] = "map";
    at["x-kubernetes-list-map-keys"] = Json::array({"name"});
  }
  // A key of a map is required or has a default; this one can never change: it is the name.
  schema_at(spec, "variants[].name")["default"] = "default";
  schema_at(spec, "servedNames")["x-kubernetes-list-type"] = "set";
}

Json spec_schema() {
  Json spec = section_schema(spec::model_section(), Dialect::kCrd);
  make_maps(spec);
  for (const Rule& row : kRules) {
    schema_at(spec, row.at)["x-kubernetes-validations"].push_back(
        {{"rule", row.rule}, {"message", row.message}, {"fieldPath", row.field}});
  }
  return spec;
}

Json said(Json schema, const char* description) {
  schema["description"] = description;
  return schema;
}
Json integer(const char* description) {
  return said({{"type", "integer"}, {"format", "int64"}}, description);
}
Json text(const char* description) { return said({{"type", "string"}}, description); }

Json conditions_schema() {
  Json condition = {{"type", "object"},
                    {"required", {"type", "status", "lastTransitionTime", "reason", "message"}},
                    {"properties",
                     {{"type", {{"type", "string"}, {"maxLength", 316}}},
                      {"status", {{"type", "string"}, {"enum", {"True", "False", "Unknown"}}}},
                      {"observedGeneration", {{"type", "integer"}, {"format", "int64"}}},
                      {"lastTransitionTime", {{"type", "string"}, {"format", "date-time"}}},
                      {"reason", {{"type", "string"}, {"minLength", 1}, {"maxLength", 1024}}},
                      {"message", {{"type", "string"}, {"maxLength", 32768}}}}}};
  return {{"type", "array"},
          {"description", "SpecValid, Ready, Applied, Limited, Paused; reasons: docs/reasons.md."},
          {"items", std::move(condition)},
          {"x-kubernetes-list-type", "map"},
          {"x-kubernetes-list-map-keys", {"type"}}};
}

Json variant_status_schema() {
  return {{"type", "object"},
          {"required", {"name"}},
          {"properties",
           {{"name", {{"type", "string"}}},
            {"readyReplicas", integer("Serve.")},
            {"desiredReplicas", integer("Decided last; those asleep are none of them.")},
            {"orderedReplicas", integer("On their way: ordered or starting.")},
            {"sleepingReplicas", integer("Asleep, to be woken.")},
            {"reason", text("Token of the reason that bound the number.")}}}};
}

Json status_schema() {
  return {{"type", "object"},
          {"properties",
           {{"observedGeneration", integer("Of the spec in force, or refused (SpecValid).")},
            {"replicas", text("Ready of desired, as 2/3.")},
            {"readyReplicas", integer("Serve.")},
            {"desiredReplicas", integer("Decided last, over all variants.")},
            {"orderedReplicas", integer("On their way: ordered or starting.")},
            {"sleepingReplicas", integer("Asleep, to be woken.")},
            {"queueRequests", integer("Wait at the gateway.")},
            {"ttftP99", text("Time to first token over the window; absent: unknown.")},
            {"mode", text("auto, observe or timed, as in force.")},
            {"reason", text("Token of the reason that bound the number.")},
            {"message", text("The same for people, or what is wrong.")},
            {"variants",
             {{"type", "array"},
              {"items", variant_status_schema()},
              {"x-kubernetes-list-type", "map"},
              {"x-kubernetes-list-map-keys", {"name"}}}},
            {"conditions", conditions_schema()}}}};
}

Json columns() {
  auto column = [](const char* name, const char* type, const char* path, int priority) {
    Json out = {{"name", name}, {"type", type}, {"jsonPath", path}};
    if (priority > 0) out["priority"] = priority;  // kubectl get -o wide
    return out;
  };
  return {column("Ready", "string", ".status.replicas", 0),
          column("Queue", "integer", ".status.queueRequests", 0),
          column("TTFT p99", "string", ".status.ttftP99", 0),
          column("Reason", "string", ".status.reason", 0),
          column("Policy", "string", ".spec.scaling.policy", 1),
          column("Message", "string", ".status.message", 1),
          column("Age", "date", ".metadata.creationTimestamp", 0)};
}

Json crd() {
  Json name = {{"type", "string"}, {"pattern", kLabelPattern}, {"maxLength", 63}};
  Json root = {{"type", "object"},
               {"description", "A model: what clients ask for, and how it is served."},
               {"required", {"spec"}},
               {"properties",
                {{"apiVersion", {{"type", "string"}}},
                 {"kind", {{"type", "string"}}},
                 {"metadata", {{"type", "object"}, {"properties", {{"name", std::move(name)}}}}},
                 {"spec", spec_schema()},
                 {"status", status_schema()}}}};
  Json version = {{"name", "v1alpha1"},
                  {"served", true},
                  {"storage", true},
                  {"schema", {{"openAPIV3Schema", std::move(root)}}},
                  {"subresources", {{"status", Json::object()}}},
                  {"additionalPrinterColumns", columns()}};
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"name", "models.tidegate.dev"}}},
          {"spec",
           {{"group", "tidegate.dev"},
            {"scope", "Namespaced"},
            {"names",
             {{"kind", "Model"},
              {"listKind", "ModelList"},
              {"plural", "models"},
              {"singular", "model"},
              {"shortNames", {"tgm"}},
              {"categories", {"tidegate"}}}},
            {"versions", Json::array({std::move(version)})}}}};
}

/// JSON as block-style YAML; scalars keep their JSON form, which is YAML's too.
void emit_yaml(const Json& value, int indent, std::string& out) {
  std::string pad(static_cast<std::size_t>(indent), ' ');
  if (!value.is_structured() || value.empty()) {
    out += " " + value.dump() + "\n";
    return;
  }
  if (!out.empty()) out += "\n";
  for (auto it = value.begin(); it != value.end(); ++it) {
    out += pad + (value.is_array() ? "-" : it.key() + ":");
    emit_yaml(value.is_array() ? *it : it.value(), indent + 2, out);
  }
}

}  // namespace

std::string crd_json() { return crd().dump(); }

std::string crd_yaml() {
  std::string out;
  emit_yaml(crd(), 0, out);
  return out;
}

}  // namespace tidegate::format
