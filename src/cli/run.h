#pragma once
// tidegate run: gateway, autoscaler and what they need, on this machine, until a signal.

#include <string>
#include <vector>

namespace tidegate::cli {

struct RunFlags {
  std::vector<std::string> files;         // -f FILE (repeatable)
  bool models_from_cluster = false;       // --models-from-cluster
  std::vector<std::string> namespaces;    // --namespace NS (repeatable)
  bool all_namespaces = false;            // --all-namespaces
  std::string kubeconfig, context;        // --kubeconfig, --context
  bool trust_models = false;              // --trust-models
  std::string role = "all";               // --role all|controller|gateway
  std::vector<std::string> leaders;       // --leader HOST:PORT (repeatable)
  std::string gateways;                   // --gateway-address
  std::string gateway_token_file;         // --gateway-token-file
  std::string gateway_cert, gateway_key;  // --gateway-tls-cert, --gateway-tls-key: of a controller
  std::string gateway_client_ca;          // --gateway-tls-client-ca
  std::string leader_ca;                  // --leader-tls-ca: of a gateway
  std::string leader_cert, leader_key;    // --leader-tls-cert, --leader-tls-key
  bool gateway_plaintext = false;         // --gateway-plaintext
  bool leader_elect = false;              // --leader-elect
  std::string lease = "tidegate";         // --lease NAME
  std::string lease_namespace;            // --lease-namespace NS
  std::string listen = "0.0.0.0:8080";    // --listen, $TIDEGATE_LISTEN
  std::string tls_cert, tls_key;          // --tls-cert, --tls-key: of the gateway
  std::string admin = "127.0.0.1:8081";   // --admin, $TIDEGATE_ADMIN
  std::string probe_address;              // --probe-address
  std::string keda_address;               // --keda-address, $TIDEGATE_KEDA_ADDRESS; empty: off
  std::string keda_cert, keda_key;        // --keda-tls-cert, --keda-tls-key
  std::string keda_client_ca;             // --keda-tls-client-ca
  std::string external_metrics_address;   // --external-metrics-address; empty: off
  std::string external_metrics_cert, external_metrics_key;
  std::string external_metrics_service = "tidegate";  // --external-metrics-service
  bool register_external_metrics = false;             // --register-external-metrics
  std::string state_dir = ".tidegate";                // --state
  double time_scale = 1;                              // --time-scale
  std::uint64_t seed = 1;                             // --seed
  std::string tape;                                   // --tape FILE
  std::string drain_delay;                            // --drain-delay DURATION
  bool leave = false;                                 // --leave
  bool spot_notice = false;                           // --spot-notice
  bool dry_run = false;                               // --dry-run
  std::string log_level = "info";                     // --log-level debug|info|warn|error
  std::string log_format = "text";                    // --log-format text|json
};
/// 0 after a clean stop; 1 where it could not start; with --dry-run 0: nothing would change, 3:
/// would.
int run(const RunFlags& flags);

}  // namespace tidegate::cli
