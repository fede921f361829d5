#pragma once
// GatewayRunner: `tidegate run --role gateway`. The gateway, its specs and admin on one loop; its
// replicas and shares come from the controller that leads (live/fleet_link).
//
//   auto runner = GatewayRunner::create(*loop, options);   // everything that can fail, fails here
//   (*runner)->begin();
//   loop->run();                                           // until shutdown() has called back
//
// Files and Models of a cluster are followed as `run` does; nothing is scaled, scraped or written
// to a cluster, and no journal is kept. Ready as soon as it listens, with a leader or without:
// requests wait in its queues. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "live/admin/admin.h"
#include "live/fleet_link/follower.h"
#include "live/gateway/gateway.h"
#include "live/kube/clusters.h"
#include "live/operator/cluster_models.h"
#include "live/run/endpoint_slices.h"
#include "live/run/run_options.h"
#include "live/run/spec_files.h"

namespace tidegate::live {

class GatewayRunner {
 public:
  static Result<std::unique_ptr<GatewayRunner>> create(net::Loop& loop, RunOptions options);
  ~GatewayRunner();
  void begin();
  void reload();
  /// Stops taking requests, lets what runs finish, then calls `done`. A second call: at once.
  void shutdown(std::function<void()> done);

  net::Address gateway_address() const { return gateway_address_; }
  net::Address admin_address() const { return admin_address_; }
  std::string status_json() const;
  std::string metrics_text() const;

 private:
  GatewayRunner(net::Loop& loop, RunOptions options);
  Result<void> open();
  Result<void> open_cluster();
  Result<void> open_admin();
  Result<void> open_follower();
  void take_models();
  void watch();
  void write_run_file() const;
  std::string leader_words() const;

  net::Loop& loop_;
  RunOptions options_;
  net::WorldClock clock_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<kube::Clusters> clusters_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<link::Follower> follower_;
  std::unique_ptr<SpecFiles> files_;
  std::unique_ptr<ClusterModels> cluster_models_;  ///< or none
  std::unique_ptr<EndpointSlices> slices_;         ///< or none
  std::unique_ptr<AdminServer> admin_;
  std::vector<spec::Model> models_;
  net::Address gateway_address_, admin_address_;
  net::Loop::TimerId watch_timer_ = net::Loop::TimerId::kNone;
  bool closing_ = false;
};

}  // namespace tidegate::live
