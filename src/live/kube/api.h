#pragma once
// API words: where objects live, what a call asks, what went wrong.
//
//   Resource pods{"v1", "pods", "serve"};
//   client.call(list(pods, "app=m-8b"), [](ApiResult<json> answer) { ... });
//
// Source: Kubernetes API conventions (sig-architecture), apimachinery's metav1.Status.
// Thread-safety: values and pure functions.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::live::kube {

/// A collection. Namespace empty: of the whole cluster.
struct Resource {
  std::string api_version;  ///< "v1", "apps/v1"
  std::string plural;       ///< "pods", "deployments"
  std::string ns;
  /// /apis/apps/v1/namespaces/serve/deployments; without a plural /apis/apps/v1
  std::string path() const;
  std::string group() const;  ///< empty: core
  bool operator==(const Resource&) const = default;
};

/// What went wrong, for code (`code`, `reason`) and for people (`message`: what failed, what the
/// server said, the fix).
struct ApiError {
  int code = 0;        ///< HTTP status; 0: no answer at all
  std::string reason;  ///< "Conflict", "Forbidden", ...
  std::string message;
  Duration retry_after{-1};  ///< as the server asked; negative: it did not
  bool expired() const { return code == 410; }
  bool conflict() const { return code == 409 && reason != "AlreadyExists"; }
  bool no_answer() const { return code == 0; }
  /// As it says to everybody, whatever is asked: it is gone, overloaded, or does not know us.
  bool of_server() const { return no_answer() || code == 401 || code == 429 || code >= 500; }
};
template <class T>
using ApiResult = tl::expected<T, ApiError>;

enum class PatchType { kMerge, kJson, kApply };

struct ApiCall {
  std::string verb = "get";  ///< as RBAC names it
  std::string method = "GET";
  std::string resource;  ///< "deployments/scale.apps", for messages
  std::string ns;
  std::string path, query;
  std::string body, content_type;
  Duration timeout = seconds(30);
  bool urgent = false;  ///< not behind others: a Lease
};

ApiCall get(const Resource& of, std::string_view name, std::string_view subresource = "");
/// One page of at most `limit` objects (0: all); `token` of the page before.
ApiCall list(const Resource& of, std::string_view selector, int limit = 0,
             std::string_view token = "");
ApiCall watch(const Resource& of, std::string_view selector, std::string_view resource_version,
              Duration server_timeout);
ApiCall create(const Resource& of, const nlohmann::json& object);
ApiCall replace(const Resource& of, std::string_view name, const nlohmann::json& object,
                std::string_view subresource = "");
/// Server-side apply (kApply) needs `field_manager`; force takes fields from other managers.
ApiCall patch(const Resource& of, std::string_view name, PatchType type,
              const nlohmann::json& change, std::string_view subresource = "",
              std::string_view field_manager = "", std::string_view force = "");
ApiCall remove(const Resource& of, std::string_view name);
/// Anything else that is only read: "/version".
ApiCall read(std::string_view path);

/// How an API writes a kind in paths, and whether it has a scale.
struct ServedAs {
  std::string plural;
  bool scales = false;
};
ApiCall kinds(const std::string& api_version);
/// What kinds() is answered, by kind.
std::map<std::string, ServedAs> kinds_in(const nlohmann::json& list);

std::string percent_encode(std::string_view text);

/// From an answer that is no success: a Status object, or whatever else came.
ApiError error_of(const ApiCall& call, int status, std::string_view body,
                  std::string_view retry_after_header);
/// From a Status object (also the ERROR event of a watch).
ApiError error_of(const ApiCall& call, const nlohmann::json& status);
/// No answer: `what` is the transport's message.
ApiError no_answer(const ApiCall& call, const std::string& server, std::string_view what);

}  // namespace tidegate::live::kube
