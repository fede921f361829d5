#pragma once
// RealServer: etcd and kube-apiserver of the folder that KUBEBUILDER_ASSETS names (as envtest has
// it), on free ports, for one test program; both end with it, also when it is killed.
//
//   if (RealServer* real = RealServer::of_this_program()) client_of(real->access());
//   else ...                                   // the server in this process
//
// There are no controllers, scheduler or kubelet: tests play them (cluster.h), each in a namespace
// of its own. Who calls is of system:masters, by a token. Without the variable there is none, and
// with one that does not work the program ends and says why: a test must not pass on another
// server than the one it was given. Source: controller-runtime's envtest; the flags are those of
// kube-apiserver's reference. Thread-safety: one thread.

#include <memory>
#include <string>
#include <vector>

#include "live/kube/access.h"

namespace tidegate::live::kube {

class RealServer {
 public:
  static constexpr const char* kVariable = "KUBEBUILDER_ASSETS";
  /// Null without the variable. Started at the first call; files go into a folder of its own.
  static RealServer* of_this_program();

  /// Keeps its files in `folder`, which it makes. Error: what did not start, and its last words.
  static Result<std::unique_ptr<RealServer>> start(const std::string& assets,
                                                   const std::string& folder);
  ~RealServer();
  RealServer(const RealServer&) = delete;
  RealServer& operator=(const RealServer&) = delete;

  const Access& access() const { return access_; }
  /// A kubeconfig that leads there.
  std::string kubeconfig(const std::string& ns) const;
  /// Makes a namespace that nobody used before, and names it.
  std::string new_namespace();

 private:
  explicit RealServer(std::string folder) : folder_(std::move(folder)) {}
  Result<void> start_etcd(const std::string& program);
  Result<void> start_server(const std::string& program);
  Result<void> run(const std::string& name, const std::vector<std::string>& words);
  Result<void> wait_for(const std::string& name, const Access& access, const std::string& path);
  std::string last_words(const std::string& name) const;

  std::string folder_;
  std::string etcd_;
  std::vector<int> processes_;
  Access access_;
  int namespaces_ = 0;
};

}  // namespace tidegate::live::kube
