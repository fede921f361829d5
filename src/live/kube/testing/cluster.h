#pragma once
// Cluster: what works behind an API server, for tests: deployments get their pods, pods their nodes
// while there are GPUs, and their kubelet starts and ends them.
//
//   Cluster cluster(loop, server, {.gpus = 4});
//   cluster.deploy("serve", "m", 0);
//   cluster.hold_start = true;             // containers do not start until cluster.go()
//
// Behind a real server (real_server.h) it does the same through the API, in one namespace. One pod
// takes one GPU. Everything happens soon, in turns of the loop, never from inside a write.
// Addresses are 127.1.0.N: engines of a test may listen there. Thread-safety: the loop's thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "live/kube/informer.h"
#include "live/kube/testing/objects.h"

namespace tidegate::live::kube {

class Cluster {
 public:
  struct Options {
    std::int64_t gpus = 100;
    std::string ns = "";  ///< works there alone; empty: everywhere
  };
  Cluster(net::Loop& loop, ApiServer& server, const Options& options);
  Cluster(net::Loop& loop, const Access& access, const Options& options);

  Objects& objects() { return *objects_; }

  void deploy(const std::string& ns, const std::string& name, std::int64_t replicas);
  std::int64_t replicas(const std::string& ns, const std::string& name) const;
  /// As a person or another controller writes it.
  void write_replicas(const std::string& ns, const std::string& name, std::int64_t replicas);
  std::vector<nlohmann::json> pods(const std::string& ns) const;
  /// Merges `change` into a pod's status.
  void set_status(const std::string& ns, const std::string& name, const nlohmann::json& change);
  void kill(const std::string& ns, const std::string& name);  ///< it is gone without a word
  void set_gpus(std::int64_t gpus);
  /// Goes on after a hold was taken back.
  void go() { soon(); }

  bool hold_start = false;  ///< containers do not start
  bool hold_end = false;    ///< containers do not end

 private:
  void soon();
  void turn();
  void reconcile(const nlohmann::json& deployment);
  void add_pod(const nlohmann::json& deployment);
  void shrink(std::vector<nlohmann::json> own, std::int64_t by);
  void kubelet(nlohmann::json pod, std::int64_t& free);
  static void condition(nlohmann::json& pod, const std::string& type, const std::string& status,
                        const std::string& reason, const std::string& message);

  net::Loop& loop_;
  std::unique_ptr<Objects> objects_;
  std::unique_ptr<KubeClient> client_;  ///< of a real server, and what tells of its writes
  std::vector<std::unique_ptr<Informer>> informers_;
  std::int64_t gpus_;
  std::string ns_;
  std::int64_t made_ = 0;
  bool due_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::kube
