#pragma once
// The API's documents as text: discovery, OpenAPI, lists of values, Status errors.
//
// Thread-safety: pure functions. Source: Kubernetes API conventions; k8s.io/metrics
// external_metrics/v1beta1.

#include <string>
#include <string_view>

#include "core/base/time.h"
#include "live/external_metrics/samples.h"

namespace tidegate::live::external_metrics {

std::string group_list();     ///< /apis
std::string group();          ///< /apis/external.metrics.k8s.io
std::string resource_list();  ///< /apis/external.metrics.k8s.io/v1beta1
std::string openapi_v2();
std::string openapi_v3_index();
std::string openapi_v3();
/// Under this path the index has it.
inline constexpr std::string_view kOpenapiV3Path =
    "/openapi/v3/apis/external.metrics.k8s.io/v1beta1";

/// An ExternalMetricValueList; samples that are no quantity are left out.
std::string value_list(std::string_view metric, const Samples& samples, WallTime at);

struct Status {
  int code = 500;
  std::string reason;  ///< "Forbidden"
  std::string message;
  int retry_after = -1;  ///< seconds; negative: none
};
std::string status_text(const Status& status);

}  // namespace tidegate::live::external_metrics
