#pragma once
// `tidegate weights`: models' weights on this machine's disk: fetched, checked, kept within a size.
//
//   tidegate weights fetch --from hf://Qwen/Qwen3-32B@main --to /models
//   tidegate weights fetch --manifest weights.yaml --to /models --capacity 500GB
//   tidegate weights list --to /models
//   tidegate weights verify --to /models            # reads every byte again
//   tidegate weights evict Qwen--Qwen3-32B --to /models
//   tidegate weights keep --models-from-cluster -A --node $NODE_NAME --to /models
//
// Results go to stdout, progress (on a tty) and logs to stderr. Exit codes: 0 done, 1 failed or (of
// verify) something is not as fetched, 2 usage. A fetch that was stopped goes on where it was.

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tidegate::cli {

struct WeightsFlags {
  std::string to;                             // --to DIR (or TIDEGATE_WEIGHTS): the cache's folder
  std::vector<std::string> from;              // --from SOURCE, repeatable: each one file then
  std::string manifest;                       // --manifest FILE|URL: what to fetch or keep
  std::string name;                           // --name NAME: of the set; else made of the source
  std::vector<std::string> names;             // NAME...: of verify and evict
  std::vector<std::string> include, exclude;  // --include, --exclude PATTERN, repeatable
  std::string capacity;                       // --capacity SIZE: of all sets; else the disk's
  std::string bandwidth;                      // --bandwidth RATE: of all connections together
  int connections = 8;                        // --connections N
  std::string range = "32MiB";                // --range SIZE: a request's
  std::string endpoint;                       // --endpoint URL (or HF_ENDPOINT)
  std::string token_file;                     // --token-file FILE (or HF_TOKEN)
  std::string ca_file;                        // --ca-file FILE
  std::string format = "table";               // --format table|json
  std::string log_level = "info";             // --log-level
  std::string log_format = "text";            // --log-format
  // keep
  std::string node;                     // --node NAME: whose labels say what is ready
  bool models_from_cluster = false;     // --models-from-cluster
  std::vector<std::string> namespaces;  // -n NS, repeatable
  bool all_namespaces = false;          // -A
  bool trust_models = false;            // --trust-models
  std::string kubeconfig, context;      // --kubeconfig, --context
  std::string metrics_address;          // --metrics-address HOST:PORT
  std::string every = "60s";            // --every DURATION: how often all is looked at again
};

int weights_fetch(const WeightsFlags& flags);
int weights_list(const WeightsFlags& flags);
int weights_verify(const WeightsFlags& flags);
int weights_evict(const WeightsFlags& flags);
int weights_keep(const WeightsFlags& flags);

void add_weights(CLI::App& app, int& code);

}  // namespace tidegate::cli
