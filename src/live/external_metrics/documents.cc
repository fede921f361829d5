#include "live/external_metrics/documents.h"

#include <nlohmann/json.hpp>

#include "live/kube/time_text.h"

namespace tidegate::live::external_metrics {
namespace {

using Json = nlohmann::ordered_json;

std::string group_version() { return std::string(kGroup) + "/" + std::string(kVersion); }

Json group_json() {
  Json version = {{"groupVersion", group_version()}, {"version", kVersion}};
  return {{"name", kGroup}, {"versions", Json::array({version})}, {"preferredVersion", version}};
}

std::string dump(const Json& document) {
  // Names come from specs and callers: what is no UTF-8 is replaced instead of thrown at.
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// The one path there is, in what both versions of OpenAPI have in common.
Json metric_operation() {
  return {{"description", "values of a metric in a namespace"},
          {"operationId", "listExternalMetricsV1beta1NamespacedMetric"},
          {"tags", {"externalMetrics_v1beta1"}}};
}
std::string metric_path() {
  return "/apis/" + group_version() + "/namespaces/{namespace}/{metric}";
}

}  // namespace

std::string group_list() {
  return dump(
      {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", Json::array({group_json()})}});
}

std::string group() {
  Json out = {{"kind", "APIGroup"}, {"apiVersion", "v1"}};
  out.update(group_json());
  return dump(out);
}

std::string resource_list() {
  Json resources = Json::array();
  for (std::string_view name : kMetrics) {
    resources.push_back({{"name", name},
                         {"singularName", ""},
                         {"namespaced", true},
                         {"kind", "ExternalMetricValueList"},
                         {"verbs", {"get"}}});
  }
  return dump({{"kind", "APIResourceList"},
               {"apiVersion", "v1"},
               {"groupVersion", group_version()},
               {"resources", resources}});
}

std::string openapi_v2() {
  Json parameters = Json::array();
  for (const char* name : {"namespace", "metric"}) {
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"type", "string"}});
  }
  parameters.push_back({{"name", "labelSelector"}, {"in", "query"}, {"type", "string"}});
  Json get = metric_operation();
  get["produces"] = {"application/json"};
  get["responses"] = {{"200", {{"description", "OK"}}}, {"401", {{"description", "Unauthorized"}}}};
  return dump({{"swagger", "2.0"},
               {"info", {{"title", "Tidegate external metrics"}, {"version", kVersion}}},
               {"paths", {{metric_path(), {{"get", get}, {"parameters", parameters}}}}}});
}

std::string openapi_v3_index() {
  return dump({{"paths", {{"apis/" + group_version(), {{"serverRelativeURL", kOpenapiV3Path}}}}}});
}

std::string openapi_v3() {
  Json parameters = Json::array();
  for (const char* name : {"namespace", "metric"}) {
    parameters.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  parameters.push_back(
      {{"name", "labelSelector"}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  Json get = metric_operation();
  get["responses"] = {{"200",
                       {{"description", "OK"},
                        {"content", {{"application/json", {{"schema", {{"type", "object"}}}}}}}}}};
  return dump({{"openapi", "3.0.0"},
               {"info", {{"title", "Tidegate external metrics"}, {"version", kVersion}}},
               {"paths", {{metric_path(), {{"get", get}, {"parameters", parameters}}}}}});
}

std::string value_list(std::string_view metric, const Samples& samples, WallTime at) {
  Json items = Json::array();
  for (const Sample& sample : samples) {
    auto value = quantity(sample.value);
    if (!value) continue;
    Json labels = Json::object();
    for (const auto& [name, text] : sample.labels) labels[name] = text;
    items.push_back({{"metricName", metric},
                     {"metricLabels", labels},
                     {"timestamp", kube::format_time(at)},
                     {"value", *value}});
  }
  return dump({{"kind", "ExternalMetricValueList"},
               {"apiVersion", group_version()},
               {"metadata", Json::object()},
               {"items", items}});
}

std::string status_text(const Status& status) {
  Json out = {{"kind", "Status"},    {"apiVersion", "v1"},        {"metadata", Json::object()},
              {"status", "Failure"}, {"message", status.message}, {"reason", status.reason}};
  if (status.retry_after >= 0) out["details"] = {{"retryAfterSeconds", status.retry_after}};
  out["code"] = status.code;
  return dump(out);
}

}  // namespace tidegate::live::external_metrics
