#pragma once
// Access: how to reach an API server: where, whom to trust, who we are. From a kubeconfig file or
// from inside a pod.
//
//   Result<Access> access = find_access({.context = "prod"}, environment);
//
// Order: a kubeconfig named in the spec, $KUBECONFIG (one file), a pod's own service account,
// ~/.kube/config. Only paths are kept for files that rotate (tokens); certificates given inline are
// decoded here. Errors name the file, the entry and the fix; secrets are in none. Source:
// Kubernetes docs, "Organizing Cluster Access Using kubeconfig Files", "Accessing the API from a
// Pod".

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "live/net/curl/curl_client.h"

namespace tidegate::live::kube {

/// A program that prints credentials (client.authentication.k8s.io v1, v1beta1).
struct ExecPlugin {
  std::string api_version;
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> env;
  bool wants_cluster = false;  ///< provideClusterInfo
};

struct Identity {
  std::string token;
  std::string token_file;  ///< wins over token; read again as it rotates
  std::string username, password;
  std::optional<ExecPlugin> exec;
};

struct Access {
  std::string server;  ///< https://host:port, no trailing slash
  net::Tls tls;        ///< with the client certificate, where one is given
  std::string proxy;
  Identity identity;
  std::string ns = "default";  ///< of the context, or the pod's
  std::string source;          ///< where this was read, for messages
};

/// What the environment says: nullopt for a name that is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

struct AccessWish {
  std::string kubeconfig;  ///< empty: found as above
  std::string context;     ///< empty: the file's current one; a pod has none
};
Result<Access> find_access(const AccessWish& wish, const Environment& environment);

/// `text` of the file `path`: relative file names in it are relative to its folder.
Result<Access> read_kubeconfig(const std::string& text, const std::string& path,
                               const std::string& context);
/// From the service account's folder of a pod.
Result<Access> in_cluster(const Environment& environment, const std::string& folder);

inline constexpr std::size_t kMaxConfigBytes = 4 << 20;
Result<std::string> read_file(const std::string& path, std::size_t limit = kMaxConfigBytes);

Result<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace tidegate::live::kube
