#pragma once
// How `tidegate run` was asked to run. Flags win over environment, environment over defaults.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"
#include "live/external_metrics/options.h"
#include "live/fleet_link/tls.h"
#include "live/keda/scaler.h"
#include "live/net/http.h"

namespace tidegate::live {

/// --models-from-cluster: Model objects are run as they come, change and go.
struct FollowCluster {
  std::string kubeconfig, context;      ///< empty: as kube::AccessWish
  std::vector<std::string> namespaces;  ///< empty: the context's own
  bool all_namespaces = false;
  bool trusted = false;  ///< --trust-models
};

/// --leader-elect: numbers are applied by the one process that holds the Lease.
struct LeaderWish {
  std::string kubeconfig, context;
  std::string lease = "tidegate";
  std::string ns;  ///< empty: the context's own
};

/// --role: which parts of a run this process is.
enum class Role : std::uint8_t {
  kAll,         ///< gateway and controller in one
  kController,  ///< decides and scales; gateways are elsewhere, and find it
  kGateway,     ///< serves; whoever leads is found at RunOptions::leaders
};

struct RunOptions {
  Role role = Role::kAll;
  net::Address gateways{"127.0.0.1", 8083};  ///< --gateway-address: where who leads hears them
  bool gateways_over_tls = false;     ///< of several --role all: with a certificate of our own
  std::vector<net::Address> leaders;  ///< --leader, of a gateway
  std::string link_token;             ///< of --gateway-token-file; empty: none
  link::ServerTls gateways_tls;       ///< of a controller; off: plaintext
  link::ClientTls leaders_tls;        ///< of a gateway; off: plaintext
  std::vector<std::string> files;     ///< -f, at least one where no cluster is followed
  std::optional<FollowCluster> cluster;
  std::optional<LeaderWish> leader;
  net::Address gateway{"0.0.0.0", 8080};
  std::string gateway_certificate, gateway_key;  ///< --tls-cert, --tls-key; empty: plain HTTP
  net::Address admin{"127.0.0.1", 8081};
  std::optional<net::Address> probes;       ///< --probe-address
  std::optional<keda::ScalerOptions> keda;  ///< --keda-address and its TLS; none: off
  std::optional<external_metrics::Options> external_metrics;  ///< for HPA; none: off
  std::string state_dir = ".tidegate";
  std::string admin_token;  ///< TIDEGATE_ADMIN_TOKEN
  double time_scale = 1;    ///< world seconds in one real second
  std::uint64_t seed = 1;   ///< handed to emulated engines
  std::string tape;         ///< file to write every event and action to; empty: none
  Duration drain_delay{0};  ///< wall: --drain-delay, from the signal until the port closes
  bool leave = false;       ///< engines go on when we stop
  bool dry_run = false;     ///< recommend only, whatever the mode says
  std::vector<std::string> profile_dirs;
};

}  // namespace tidegate::live

namespace tidegate {
template <>
struct EnumTokens<live::Role> {
  static constexpr std::string_view kTokens[] = {"all", "controller", "gateway"};
};
}  // namespace tidegate
