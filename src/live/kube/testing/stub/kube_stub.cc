// An API server with a cluster behind it, and one Deployment, until it is killed.
//   kube_stub KUBECONFIG NAMESPACE DEPLOYMENT GPUS     writes KUBECONFIG once it listens
// With KUBEBUILDER_ASSETS the server is the one of that folder.
//
// Called kube-apiserver it takes that program's flags, as far as real_server.h gives them, and
// serves what an API server alone does: nothing happens behind it.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "live/kube/testing/cluster.h"
#include "live/kube/testing/real_server.h"
#include "live/net/tls/tls_server.h"

namespace {

using namespace tidegate;
namespace kube = live::kube;

int api_server_alone(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    auto equals = flag.find('=');
    if (!flag.starts_with("--") || equals == std::string::npos) {
      std::fprintf(stderr, "%s: not --NAME=VALUE\n", argv[i]);
      return 2;
    }
    flags[flag.substr(2, equals - 2)] = flag.substr(equals + 1);
  }
  auto tokens = kube::read_file(flags["token-auth-file"]);
  auto tls = net::TlsServer::create(
      {.certificate_file = flags["tls-cert-file"], .key_file = flags["tls-private-key-file"]});
  if (!tokens || !tls) {
    std::fprintf(stderr, "%s\n", (tokens ? tls.error() : tokens.error()).message.c_str());
    return 1;
  }
  auto loop = net::Loop::create().value();
  auto port = static_cast<std::uint16_t>(std::atoi(flags["secure-port"].c_str()));
  kube::ApiServer server(*loop, {"127.0.0.1", port}, *tls);
  server.tokens = {tokens->substr(0, tokens->find(','))};
  loop->run();
  return 0;
}

/// Whole, or not there.
void publish(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh) << text;
  std::rename(fresh.c_str(), path.c_str());
}

int cluster_behind_a_real_server(char** argv, const char* assets) {
  auto real = kube::RealServer::start(assets, std::string(argv[1]) + ".run");
  if (!real) {
    std::fprintf(stderr, "%s\n", real.error().message.c_str());
    return 1;
  }
  auto loop = net::Loop::create().value();
  kube::Cluster cluster(*loop, (*real)->access(), {.gpus = std::atoll(argv[4]), .ns = argv[2]});
  cluster.objects().put("v1", "namespaces", {{"metadata", {{"name", argv[2]}}}});
  cluster.deploy(argv[2], argv[3], 0);
  publish(argv[1], (*real)->kubeconfig(argv[2]));
  loop->run();
  return 0;
}

int cluster_in_this_process(char** argv) {
  auto loop = net::Loop::create().value();
  kube::ApiServer server(*loop);
  kube::Cluster cluster(*loop, server, {.gpus = std::atoll(argv[4])});
  cluster.deploy(argv[2], argv[3], 0);
  publish(argv[1],
          "apiVersion: v1\nkind: Config\ncurrent-context: stub\n"
          "clusters: [{name: stub, cluster: {server: \"" +
              server.url() +
              "\"}}]\n"
              "contexts: [{name: stub, context: {cluster: stub, namespace: " +
              argv[2] + "}}]\n");
  loop->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (std::string(argv[0]).ends_with("/kube-apiserver")) return api_server_alone(argc, argv);
  if (argc != 5) {
    std::fputs("kube_stub KUBECONFIG NAMESPACE DEPLOYMENT GPUS\n", stderr);
    return 2;
  }
  const char* assets = std::getenv(kube::RealServer::kVariable);
  bool real = assets != nullptr && *assets != 0;
  return real ? cluster_behind_a_real_server(argv, assets) : cluster_in_this_process(argv);
}
