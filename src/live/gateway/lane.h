#pragma once
// Lane: one model at the gateway: its router, its replicas' addresses, its requests under way.
//
// Internal to live/gateway. Every event of a model goes through say(), which lets the router decide
// and carries the actions out. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "live/gateway/gateway.h"
#include "live/gateway/router_host.h"

namespace tidegate::live {

class Relay;

/// What all lanes of a gateway share.
struct GatewayParts {
  net::Loop& loop;
  net::HttpClient& client;
  const net::WorldClock& clock;
  const GatewayOptions options;
  Gateway::Drained drained;
  Gateway::Routed routed;
  std::uint64_t last_request = 0;
  std::size_t open_requests = 0;
};

class Lane {
 public:
  Lane(std::shared_ptr<GatewayParts> parts, spec::Model model);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void set_model(spec::Model model);
  void set_routed(const Gateway::Routed& routed);
  /// Takes no newcomers; what waits is answered.
  void close();
  bool idle() const { return relays_.empty() && addresses_.empty(); }

  void replica_up(const route::ReplicaUp& up, const net::Address& address);
  void replica_draining(ReplicaId id);
  void replica_down(ReplicaId id);
  void say(const route::Event& event);

  void add(std::shared_ptr<Relay> relay);
  void remove(RequestId id);
  /// Ends every request under way at once.
  void break_off();
  std::size_t open() const { return relays_.size(); }

  /// The name its engines know: what aliases are rewritten to.
  const std::string& engine_name() const { return model_.served_names.front(); }
  const spec::Model& model() const { return model_; }
  const std::vector<std::string>& client_keys() const { return client_keys_; }
  /// Whether a client needs a key; true also where a named key is missing from the environment.
  bool guarded() const { return !model_.auth.client_keys_env.empty(); }
  const std::string& upstream_key() const { return upstream_key_; }
  GatewayParts& parts() { return *parts_; }
  RouterHost& host() { return host_; }
  const RouterHost& host() const { return host_; }
  Traffic& traffic() { return traffic_; }
  const Traffic& traffic() const { return traffic_; }

 private:
  void watch_lost(ReplicaId id);
  void read_keys();
  void perform(const route::Action& action);
  void arm();
  Relay* find(RequestId id) const;

  std::shared_ptr<GatewayParts> parts_;
  spec::Model model_;
  RouterHost host_;
  Traffic traffic_;
  std::map<ReplicaId, net::Address> addresses_;
  std::unordered_map<RequestId, std::shared_ptr<Relay>> relays_;
  std::vector<std::string> client_keys_;
  std::string upstream_key_;
  std::vector<route::Action> spare_;  ///< keeps its room between events
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  Instant timer_at_ = Instant::never();
  std::map<ReplicaId, net::Loop::TimerId> lost_;  ///< gone replicas whose streams get their grace
};

}  // namespace tidegate::live
