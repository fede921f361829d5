#include "format/spec_schema.h"

#include <cmath>

#include "core/spec/options.h"
#include "core/workload/scenario.h"
#include "format/spec_schema_json.h"
#include "format/spec_value.h"

namespace tidegate::format {
namespace {

using spec::Choice;
using spec::Kind;
using spec::Option;
using spec::Section;
using spec::Value;

constexpr const char* kDurationPattern = "^([0-9]+(\\.[0-9]+)?(ns|us|\xC2\xB5s|ms|s|m|h|d))+$";
constexpr const char* kBytesPattern = "^[0-9]+(\\.[0-9]+)?(B|[kKMGT]B|[KMGT]iB?)$";
constexpr const char* kBandwidthPattern =
    "^[0-9]+(\\.[0-9]+)?((B|[kKMGT]B|[KMGT]iB?|[kMGT]?bit)/s|[kMGT]?bps)$";

Json pattern(const char* text) { return {{"type", "string"}, {"pattern", text}}; }

void add_range(Json& out, const Option& option, Dialect dialect) {
  auto number = [&](double v) {
    return option.kind == Kind::kInteger || option.kind == Kind::kSeconds
               ? Json(static_cast<std::int64_t>(v))
               : Json(v);
  };
  if (std::isfinite(option.range.min)) {
    if (!option.range.min_open) {
      out["minimum"] = number(option.range.min);
    } else if (dialect == Dialect::kCrd) {  // OpenAPI 3.0 has it as a flag
      out["minimum"] = number(option.range.min);
      out["exclusiveMinimum"] = true;
    } else {
      out["exclusiveMinimum"] = number(option.range.min);
    }
  }
  if (std::isfinite(option.range.max)) out["maximum"] = number(option.range.max);
}

Json spread_schema(Dialect dialect) {
  if (dialect == Dialect::kCrd) return {{"x-kubernetes-preserve-unknown-fields", true}};
  Json both = {
      {"type", "object"},
      {"properties", {{"p50", pattern(kDurationPattern)}, {"p90", pattern(kDurationPattern)}}},
      {"required", {"p50", "p90"}},
      {"additionalProperties", false}};
  Json file = {{"type", "object"},
               {"properties", {{"samples", {{"type", "string"}}}}},
               {"required", {"samples"}},
               {"additionalProperties", false}};
  return {{"oneOf", {pattern(kDurationPattern), both, file}}};
}

Json percentile_schema(Dialect dialect) {
  Json out = {{"type", "object"}, {"minProperties", 1}, {"maxProperties", 1}};
  if (dialect == Dialect::kCrd) {  // structural schemas know no patternProperties
    out["additionalProperties"] = pattern(kDurationPattern);
  } else {
    out["patternProperties"] = {{"^p[0-9]{1,2}(\\.[0-9]{1,4})?$", pattern(kDurationPattern)}};
    out["additionalProperties"] = false;
  }
  return out;
}

Json policy_schema(const Option& option) {
  std::string tokens;
  for (std::string_view token : option.tokens)
    tokens += (tokens.empty() ? "" : "|") + std::string(token);
  return {{"type", "string"}, {"pattern", "^(" + tokens + ")(:[0-9.]+)?$"}};
}

Json list_of(Json items, const Option& option) {
  Json out = {{"type", "array"}, {"items", std::move(items)}};
  if (option.required) out["minItems"] = 1;
  out["maxItems"] = option.max_items != 0 ? option.max_items : spec::kMaxItems;
  return out;
}

Json object_schema(const Option& option, Dialect dialect) {
  Json out = section_schema(*option.section, dialect);
  if (option.shorthand.empty()) return out;
  if (dialect == Dialect::kCrd) return spread_schema(dialect);
  Json any = spread_schema(dialect)["oneOf"];
  any.push_back(std::move(out));
  return {{"anyOf", any}};
}

Json type_schema(const Option& option, Dialect dialect) {
  switch (option.kind) {
    case Kind::kString: {
      Json out = {{"type", "string"}, {"maxLength", spec::kMaxText}};
      if (option.required) out["minLength"] = 1;
      return out;
    }
    case Kind::kLabel:
      return {{"type", "string"}, {"pattern", kLabelPattern}, {"maxLength", 63}};
    case Kind::kInteger:
    case Kind::kSeconds: {
      Json out = {{"type", "integer"}};
      add_range(out, option, dialect);
      return out;
    }
    case Kind::kNumber:
    case Kind::kMoney: {
      Json out = {{"type", "number"}};
      add_range(out, option, dialect);
      return out;
    }
    case Kind::kBool:
      return {{"type", "boolean"}};
    case Kind::kDuration:
      return pattern(kDurationPattern);
    case Kind::kBytes:
      return pattern(kBytesPattern);
    case Kind::kBandwidth:
      return pattern(kBandwidthPattern);
    case Kind::kEnum:
      return {{"type", "string"},
              {"enum", std::vector<std::string>(option.tokens.begin(), option.tokens.end())}};
    case Kind::kPolicy:
      return policy_schema(option);
    case Kind::kPercentile:
      return percentile_schema(dialect);
    case Kind::kSpread:
      return spread_schema(dialect);
    case Kind::kStringList:
      return list_of({{"type", "string"}, {"minLength", 1}}, option);
    case Kind::kStringMap:
      return {{"type", "object"},
              {"additionalProperties", {{"type", "string"}}},
              {"maxProperties", option.max_items != 0 ? option.max_items : spec::kMaxItems}};
    case Kind::kObject:
      return object_schema(option, dialect);
    case Kind::kObjectList:
      return list_of(section_schema(*option.section, dialect), option);
  }
  return {};
}

/// The default as JSON, for kinds whose YAML is JSON too.
Json default_json(const Option& option, const Value& value) {
  if (auto* v = std::get_if<bool>(&value)) return *v;
  if (auto* v = std::get_if<double>(&value)) return *v;
  if (auto* v = std::get_if<std::int64_t>(&value); v != nullptr && option.kind == Kind::kInteger)
    return *v;
  if (auto* v = std::get_if<std::string>(&value)) return v->empty() ? Json() : Json(*v);
  if (std::holds_alternative<std::vector<std::string>>(value) ||
      std::holds_alternative<std::map<std::string, std::string>>(value)) {
    return {};
  }
  std::string text = value_text(option, value);
  return text.empty() ? Json() : Json(text);
}

Json choice_schema(const Section& section) {
  Json out = Json::array();
  for (std::string_view key : section.among) out.push_back({{"required", {std::string(key)}}});
  return out;
}

Json metadata_schema(const char* description) {
  Json texts = {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
  Json name = {{"type", "string"},
               {"pattern", kLabelPattern},
               {"maxLength", 63},
               {"description", description}};
  return {{"type", "object"},
          {"properties",
           {{"name", name},
            {"namespace", {{"type", "string"}}},
            {"labels", texts},
            {"annotations", texts}}},
          {"required", {"name"}},
          {"additionalProperties", false}};
}

/// What stands above `document_schema`'s keys.
Json head(const char* name, const char* title) {
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"$id", std::string("https://tidegate.dev/schema/v1alpha1/") + name},
          {"title", title}};
}

Json document_schema(const char* kind, Json metadata, const Section& section) {
  return {{"type", "object"},
          {"properties",
           {{"apiVersion", {{"const", "tidegate.dev/v1alpha1"}}},
            {"kind", {{"const", kind}}},
            {"metadata", std::move(metadata)},
            {"spec", section_schema(section, Dialect::kJsonSchema)}}},
          {"required", {"apiVersion", "kind", "metadata", "spec"}},
          {"additionalProperties", false}};
}

Json model_document() {
  Json out = document_schema(
      "Model",
      metadata_schema(
          "Names the model everywhere; what clients send unless servedNames says otherwise."),
      spec::model_section());
  out["properties"]["status"] = {
      {"type", "object"},
      {"description", "Written by the controller on a cluster; ignored in files."}};
  return out;
}

}  // namespace

Json section_schema(const Section& section, Dialect dialect) {
  Json out = {{"type", "object"}};
  Json properties = Json::object();
  Json required = Json::array();
  for (const Option& row : section.options) {
    Json item = type_schema(row, dialect);
    item["description"] = std::string(row.doc);
    if (dialect == Dialect::kJsonSchema && !row.required) {
      if (Json value = default_json(row, spec::default_value(section, row)); !value.is_null())
        item["default"] = value;
    }
    properties[std::string(row.key)] = std::move(item);
    if (row.required) required.push_back(std::string(row.key));
  }
  out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
  if (section.choice == Choice::kExactlyOne && section.among.empty()) {
    out["minProperties"] = 1;
    out["maxProperties"] = 1;
  } else if (section.choice == Choice::kExactlyOne) {
    out["oneOf"] = choice_schema(section);
  } else if (section.choice == Choice::kAtLeastOne) {
    out["anyOf"] = choice_schema(section);
  }
  if (dialect == Dialect::kJsonSchema) out["additionalProperties"] = false;
  return out;
}

std::string json_schema() {
  Json root = head("model.json", "Tidegate model");
  root.update(model_document());
  return root.dump(2) + "\n";
}

std::string scenario_json_schema() {
  Json root = head("scenario.json", "Tidegate scenario: a Scenario and the Models it plays");
  // By kind and not by oneOf: what is wrong is said of the document meant.
  root["type"] = "object";
  root["properties"] = {{"kind", {{"enum", {"Scenario", "Model"}}}}};
  root["required"] = {"kind"};
  root["if"] = {{"properties", {{"kind", {{"const", "Scenario"}}}}}};
  root["then"] = {{"$ref", "#/$defs/scenario"}};
  root["else"] = {{"$ref", "#/$defs/model"}};
  root["$defs"] = {{"scenario", document_schema("Scenario", metadata_schema("Names the scenario."),
                                                workload::scenario_section())},
                   {"model", model_document()}};
  return root.dump(2) + "\n";
}

}  // namespace tidegate::format
