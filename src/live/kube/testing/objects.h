#pragma once
// Objects: what happens behind an API server, for tests: what controllers, kubelets and people
// write, past the client under test. Into the store of the server in this process, or through the
// API of a real one.
//
//   StoredObjects here(server);   or   RemoteObjects there(access);
//   there.put("v1", "pods", pod);                    // made, or brought to this
//   there.remove("v1", "pods", "serve", "m-1");      // gone at once
//
// Thread-safety: the loop's thread; RemoteObjects waits for each answer on a loop of its own.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "live/kube/client.h"
#include "live/kube/testing/api_server.h"

namespace tidegate::live::kube {

class Objects {
 public:
  virtual ~Objects() = default;
  /// null: not there.
  virtual nlohmann::json find(const std::string& api_version, const std::string& plural,
                              const std::string& ns, const std::string& name) = 0;
  virtual std::vector<nlohmann::json> all(const std::string& api_version, const std::string& plural,
                                          const std::string& ns) = 0;
  /// Spec, status, labels, a slice's endpoints, a pod's node, and that it is to end
  /// (metadata.deletionTimestamp).
  virtual void put(const std::string& api_version, const std::string& plural,
                   nlohmann::json object) = 0;
  virtual void remove(const std::string& api_version, const std::string& plural,
                      const std::string& ns, const std::string& name) = 0;
};

class StoredObjects final : public Objects {
 public:
  explicit StoredObjects(ApiServer& server) : server_(server) {}
  nlohmann::json find(const std::string& api_version, const std::string& plural,
                      const std::string& ns, const std::string& name) override;
  std::vector<nlohmann::json> all(const std::string& api_version, const std::string& plural,
                                  const std::string& ns) override;
  void put(const std::string& api_version, const std::string& plural,
           nlohmann::json object) override;
  void remove(const std::string& api_version, const std::string& plural, const std::string& ns,
              const std::string& name) override;

 private:
  ApiServer& server_;
};

class RemoteObjects final : public Objects {
 public:
  explicit RemoteObjects(const Access& access);
  nlohmann::json find(const std::string& api_version, const std::string& plural,
                      const std::string& ns, const std::string& name) override;
  std::vector<nlohmann::json> all(const std::string& api_version, const std::string& plural,
                                  const std::string& ns) override;
  void put(const std::string& api_version, const std::string& plural,
           nlohmann::json object) override;
  void remove(const std::string& api_version, const std::string& plural, const std::string& ns,
              const std::string& name) override;
  ApiResult<nlohmann::json> ask(const ApiCall& call);

 private:
  /// Ends the program with what the server said: a test's world that cannot be built is no result.
  nlohmann::json must(const ApiCall& call);
  void change(const Resource& of, const nlohmann::json& before, const nlohmann::json& wanted);

  std::unique_ptr<net::Loop> loop_ = net::Loop::create().value();
  KubeClient client_;
};

}  // namespace tidegate::live::kube
