#pragma once
// Gateway: the data plane. OpenAI-compatible requests in, core/route decides, bytes relayed.
//
//   Gateway gateway(loop, client, clock);
//   gateway.set_models({model});
//   gateway.listen({"0.0.0.0", 8080});
//   gateway.replica_up("qwen", {.replica = id, .max_requests = 64}, address);
//
// POST /v1/chat/completions, /v1/completions, /v1/embeddings and GET /v1/models. A body is read
// once and never changed but for the value of "model" where a client used an alias of servedNames
// (the engine is told servedNames[0]); answers are relayed byte for byte as they come. A request is
// tried again elsewhere only before its first byte was relayed. A stream that waits longer than
// `quiet_wait` gets a 200 and SSE comments
// ": queued position=N"; what goes wrong after that is an in-band error event.
//
// Request headers: x-tidegate-priority (a class of the model; default: the class named "default",
// else the most urgent), x-tidegate-tenant, x-tidegate-deadline (seconds, or 500ms, 2m: from now,
// world time). Authorization is held against the model's client keys and replaced by its upstream
// key. Response headers: x-tidegate-outcome, x-tidegate-replica, x-request-id. Secrets are never
// logged.
//
// Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/route/router.h"
#include "core/signal/observation.h"
#include "core/signal/replica_signals.h"
#include "core/spec/model.h"
#include "live/gateway/data_plane.h"
#include "live/gateway/traffic.h"
#include "live/net/clock.h"
#include "live/net/http_client.h"
#include "live/net/http_server.h"

namespace tidegate::live {

struct GatewayOptions {
  net::Limits limits;  ///< max_body_bytes is raised to the largest queue.maxBodyBytes at listen()
  Duration quiet_wait = seconds(2);        ///< wall: a wait this short keeps its real status code
  Duration keep_alive_every = seconds(5);  ///< wall: between SSE comments
  Duration lost_grace = seconds(1);  ///< wall: a replica gone -> its open streams are broken off
  Duration drain_delay{0};           ///< wall: shutdown() serves on this long, until clients know
  Duration drain_timeout = seconds(120);  ///< wall: shutdown() waits this long for what runs
};

class Gateway final : public DataPlane {
 public:
  using Routed = std::function<void(const std::string& model, const route::Event& event,
                                    Instant now, const std::vector<route::Action>& actions)>;

  Gateway(net::Loop& loop, net::HttpClient& client, const net::WorldClock& clock,
          GatewayOptions options = {});
  ~Gateway() override;

  /// What is served from now on. Models that stay keep their queue, replicas and counts; one that
  /// left answers its queue with 503, finishes what runs and is a 404 to newcomers. Keys are read
  /// from the environment here.
  void set_models(std::vector<spec::Model> models);
  /// With `tls`, HTTPS alone.
  Result<net::Address> listen(const net::Address& address,
                              std::shared_ptr<net::TlsServer> tls = nullptr);

  // ---- replicas; unknown models are ignored ----
  void replica_up(const std::string& model, const route::ReplicaUp& up,
                  const net::Address& address) override;
  /// No new requests; on_drained follows when it holds nothing.
  void replica_draining(const std::string& model, ReplicaId id) override;
  void replica_down(const std::string& model, ReplicaId id) override;
  void scraped(const std::string& model, ReplicaId id, const signal::ReplicaSignals& page) override;
  void all_told(const std::string&) override {}  ///< each was told as it came and went
  /// Of gateways among several, what a leader says: ReplicaShare, Scraped.
  void told(const std::string& model, const route::Event& event);
  void on_drained(Drained callback);
  /// Every event any router was given, with its actions: the tape.
  void on_routed(Routed callback);

  // ---- views ----
  control::GatewaySight sight(const std::string& model, Duration window) const override;
  signal::Demand demand(const std::string& model) const override;
  std::vector<route::ReplicaView> replica_views(const std::string& model) const override;
  route::Options router_options(const std::string& model) const override;
  /// TTFT and ITL p99 over about the last `window`; absent where no stream ended in it.
  void latency_signals(const std::string& model, Duration window, signal::Signal& ttft_p99_seconds,
                       signal::Signal& itl_p99_seconds) const;
  /// Null for an unknown model. Valid until the next call on the gateway.
  const Traffic* traffic(const std::string& model) const;
  /// Requests answered before a model was found or a body understood, by status.
  const std::map<int, std::int64_t>& refused() const;
  /// Requests in any phase, over all models.
  std::size_t open_requests() const;

  /// After `drain_delay`, in which each answer ends its connection: takes no new requests, answers
  /// what waits with 503, lets what runs finish, then calls `done`. A second call does not wait,
  /// and breaks off what still runs; both `done` are called.
  void shutdown(std::function<void()> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live
