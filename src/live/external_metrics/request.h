#pragma once
// What a request asks, as authorization sees it: a resource (a metric of a namespace) or a path.
//
//   Asked asked = asked_by(request);   // {verb list, namespace serve, resource METRIC}
//
// Thread-safety: values and pure functions. Source: k8s.io/apiserver request.RequestInfoFactory: a
// GET of a collection is "list", also where the answer is one list of values.

#include <string>
#include <string_view>

#include "live/net/http.h"

namespace tidegate::live::external_metrics {

struct Asked {
  std::string verb;      ///< "get", "list", "create", ...
  std::string path;      ///< of what is no resource
  std::string ns;        ///< of a resource
  std::string resource;  ///< the metric; empty: no resource
  std::string name;      ///< beneath it: nothing of ours has one
  bool is_resource() const { return !resource.empty(); }
};
Asked asked_by(const net::Request& request);

}  // namespace tidegate::live::external_metrics
