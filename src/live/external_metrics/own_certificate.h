#pragma once
// A certificate of our own, for who gives none: made once, kept beside the state, used again.
//
//   auto files = own_certificate(state_dir + "/external-metrics", {"tidegate.serve.svc"}, wall_now);
//
// Valid kLifetime, and made anew at a start with less than kLeast left or other names. The key is
// readable by its owner alone. Blocks on the file system. Thread-safety: one process a folder.

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::live::external_metrics {

struct CertificateFiles {
  std::string certificate, key;  ///< paths; the certificate is its own CA
};

/// Long: nothing renews it while it is in use, and its key never leaves the folder.
inline constexpr Duration kLifetime = seconds(10LL * 365 * 86'400);
inline constexpr Duration kLeast = seconds(365LL * 86'400);

/// At `path`.crt and `path`.key.
Result<CertificateFiles> own_certificate(const std::string& path,
                                         const std::vector<std::string>& names, WallTime now);

/// How the API server and people reach a Service: NAME.NS.svc and so on, and loopback.
std::vector<std::string> names_of_service(const std::string& ns, const std::string& name);

}  // namespace tidegate::live::external_metrics
