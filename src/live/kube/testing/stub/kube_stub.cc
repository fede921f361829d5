// An API server with a cluster behind it, and one Deployment, until it is killed.
//   kube_stub KUBECONFIG NAMESPACE DEPLOYMENT GPUS     writes KUBECONFIG once it listens
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "live/kube/testing/cluster.h"

int main(int argc, char** argv) {
  using namespace tidegate;
  if (argc != 5) {
    std::fputs("kube_stub KUBECONFIG NAMESPACE DEPLOYMENT GPUS\n", stderr);
    return 2;
  }
  auto loop = net::Loop::create().value();
  live::kube::ApiServer server(*loop);
  live::kube::Cluster cluster(*loop, server, {.gpus = std::atoll(argv[4])});
  cluster.deploy(argv[2], argv[3], 0);
  const std::string path = argv[1], fresh = path + ".new";
  std::ofstream(fresh) << "apiVersion: v1\nkind: Config\ncurrent-context: stub\n"
                       << "clusters: [{name: stub, cluster: {server: \"" << server.url()
                       << "\"}}]\n"
                       << "contexts: [{name: stub, context: {cluster: stub, namespace: " << argv[2]
                       << "}}]\n";
  std::rename(fresh.c_str(), path.c_str());
  loop->run();
}
