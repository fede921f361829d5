#pragma once
// GivenServer: the API server that a test of the client runs on: the one in this process, or a real
// one with a namespace of the test's own where KUBEBUILDER_ASSETS says so.
//
//   GivenServer given(loop);
//   KubeClient client(loop, given.access());
//   given.objects().put("v1", "pods", pod);
//   ONLY_IN_THIS_PROCESS(given);            // a test that breaks the server in ways made to order
//
// Thread-safety: the loop's thread.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "live/kube/testing/objects.h"
#include "live/kube/testing/real_server.h"

/// A real server breaks, refuses and conflicts at nobody's wish.
#define ONLY_IN_THIS_PROCESS(given) \
  if ((given).real != nullptr)      \
  GTEST_SKIP() << "needs faults made to order: not on a real API server"

namespace tidegate::live::kube {

struct GivenServer {
  explicit GivenServer(net::Loop& loop) : in_process(loop) {
    if (real != nullptr) {
      own = std::make_unique<RemoteObjects>(real->access());
    } else {
      own = std::make_unique<StoredObjects>(in_process);
    }
  }
  Access access() const { return real != nullptr ? real->access() : in_process.access(); }
  std::string kubeconfig() const {
    if (real != nullptr) return real->kubeconfig(ns);
    return "current-context: c\nclusters: [{name: c, cluster: {server: \"" + in_process.url() +
           "\"}}]\ncontexts: [{name: c, context: {cluster: c}}]\n";
  }
  Objects& objects() { return *own; }

  RealServer* real = RealServer::of_this_program();
  std::string ns = real != nullptr ? real->new_namespace() : "serve";
  ApiServer in_process;  ///< unless there is a real one
  std::unique_ptr<Objects> own;
};

}  // namespace tidegate::live::kube
