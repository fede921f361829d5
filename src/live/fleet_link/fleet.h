#pragma once
// Fleet: gateways elsewhere, as the data plane of the controller that leads.
//
//   auto fleet = Fleet::listen(loop, clock, options, hooks).value();
//   fleet->set_models({model});
//   fleet->lead(true, "");                 // takes the streams of gateways from now on
//   controller.handle(observe(model, fleet->sight("m", window), ...), now, actions);
//
// Each gateway reports its router's demand; sight() is their sum (core/control/gateways.h). Each
// replica's credit, lowered while its KV thrashes, is shared out among them every period and as
// soon as a smaller share was read (core/route/shares.h). A gateway whose stream broke counts as it
// was for kGrace: nothing falls meanwhile, its shares stay its own. Then its connections are taken
// for gone, and it is forgotten; at once where the same gateway comes back as another process. For
// kSettle after the lead began others may yet come: until then demand is stale, and a draining
// replica is not said to be empty. A replica has drained when each gateway has read that it drains
// and holds nothing there.
//
// A leader that has just begun gives away only what it knows to be free. A gateway says in its
// hello what it may use by the word of the leader before, or holds of more, and how many gateways
// that one had or waited for; until as many have come, at most for kGrace, and for kUnknown where
// nobody has told of one before, the shares of an engine that ran before are shared out anew among
// those who came, and never raised in sum. So the shares of one engine, those of gateways that have
// not come yet included, stay within its credit; outside of that is who comes later than kGrace.
//
// A gateway of this very process is one of them while it leads: join(), without a stream.
//
// Bounds: Server's on streams and messages; kMaxModels names of a gateway. Graces are wall time;
// the period is world time, but no less than kLeastPeriod of wall time. Thread-safety: the loop's
// thread.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/control/gateways.h"
#include "core/route/sequence_credit.h"
#include "core/workload/workload.h"
#include "live/fleet_link/server.h"
#include "live/gateway/data_plane.h"
#include "live/net/clock.h"

namespace tidegate::live::link {

struct FleetOptions {
  ServerOptions server;
  std::string name;                                 ///< of this controller, for people
  static constexpr Duration kGrace = seconds(15);   ///< lost so long: its connections are gone
  static constexpr Duration kSettle = seconds(5);   ///< longer than ClientOptions::kLongestPause
  static constexpr Duration kUnknown = seconds(2);  ///< in which each gateway looks for a leader
  static constexpr Duration kLeastPeriod = millis(100);
  Duration grace = kGrace, settle = kSettle, unknown = kUnknown;  ///< wall
  Duration least_period = kLeastPeriod;                           ///< wall
};

struct FleetHooks {
  DataPlane::Drained drained;
  /// Requests wait at a gateway.
  std::function<void(const std::string& model)> waits;
};

/// One gateway, for people.
struct GatewayView {
  std::string name, version;
  bool connected = false;
  Duration silent{0};  ///< since it was heard
  std::int64_t queued = 0, in_flight = 0;
};

class Fleet final : public DataPlane {
 public:
  static constexpr Duration kPeriod = seconds(1);
  static constexpr Duration kStale = seconds(3);  ///< not heard so long: demand is stale
  static constexpr std::size_t kMaxModels = 20'000;
  static constexpr std::size_t kMaxUnread = 8;  ///< shares sent and not acked, each replica

  static Result<std::unique_ptr<Fleet>> listen(net::Loop& loop, const net::WorldClock& clock,
                                               FleetOptions options, FleetHooks hooks);
  ~Fleet() override;
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  net::Address address() const { return server_->address(); }
  void set_models(const std::vector<spec::Model>& models);
  /// `holder`: who leads where it is not us; empty: not known.
  void lead(bool leading, const std::string& holder);
  /// Tells every gateway goodbye.
  void shutdown();

  // ---- the gateway of this process, while we lead ----
  /// One message is on its way at a time, as by stream. Ends with the lead.
  void join(const Hello& hello, std::function<void(const News&)> news);
  void joined_reports(const Report& report);

  void replica_up(const std::string& model, const route::ReplicaUp& up,
                  const net::Address& address) override;
  void replica_draining(const std::string& model, ReplicaId id) override;
  void replica_down(const std::string& model, ReplicaId id) override;
  void scraped(const std::string& model, ReplicaId id, const signal::ReplicaSignals& page) override;
  void all_told(const std::string& model) override;

  control::GatewaySight sight(const std::string& model, Duration window) const override;
  signal::Demand demand(const std::string& model) const override;
  std::vector<route::ReplicaView> replica_views(const std::string& model) const override;
  route::Options router_options(const std::string& model) const override;
  std::vector<GatewayView> gateways() const;
  /// Where the engines of each variant are, as the controller here sees them.
  std::map<std::int32_t, EngineSight> engines(const std::string& model) const;

 private:
  using GatewayId = control::GatewayId;
  struct Replica {
    ReplicaNews news;
    route::SequenceCredit credit;
    bool drained = false;  ///< and it was said
    bool is_new = false;   ///< it came while we led: no leader before us shared it out
    std::int64_t whole() const { return credit.limit(news.up.max_requests); }
  };
  struct Model {
    spec::Model spec;
    std::map<ReplicaId, Replica> replicas;
    bool all = false;
    bool unread = false;  ///< a share was lowered and not read yet: others wait for it
    control::Gateways demand;
  };
  /// What one gateway may use of one replica.
  struct Grant {
    route::ReplicaShare wanted;
    struct Sent {
      std::uint64_t version = 0;
      std::int64_t requests = 0, kv_tokens = 0;
    };
    std::deque<Sent> sent;            ///< the one in force first, then those not acked yet
    std::uint64_t told_draining = 0;  ///< version; 0: not
    Sent committed() const;
    void acked(std::uint64_t version);
  };
  struct AtGateway {
    ModelReport last;
    std::map<ReplicaId, Held> held;
    std::map<ReplicaId, Grant> grants;
  };
  struct Gateway {
    Hello hello;
    /// What it said is in force, by model and address.
    std::map<std::pair<std::string, net::Address>, Grant::Sent> told;
    PeerId peer;    ///< none: lost
    Instant heard;  ///< mono
    std::uint64_t version = 0, acked = 0;
    bool greeted = false;         ///< was told what there is
    std::set<std::string> dirty;  ///< models to tell of
    std::map<std::string, AtGateway> models;
  };

  Fleet(net::Loop& loop, const net::WorldClock& clock, FleetOptions options, FleetHooks hooks);
  void opened(PeerId peer, const Hello& hello);
  void reported(PeerId peer, const Report& report);
  void take(Gateway& gateway, const ModelReport& report);
  void closed(PeerId peer);
  bool send(PeerId peer, const News& news);
  void close(PeerId peer, const std::string& why);
  void forget(GatewayId id);
  Gateway* find(PeerId peer);
  Model* find(const std::string& model);
  const Model* find(const std::string& model) const;
  Replica* find(const std::string& model, ReplicaId id);
  bool settled() const;
  std::int64_t told_of() const;
  bool more_may_hold() const;
  std::int64_t gateways_to_tell() const;
  void in_force(Gateway& gateway, const std::string& model, ReplicaId id, const Replica& replica);
  control::GatewaySight counted(const Model& model) const;
  void tick();

  // fleet_shares.cc
  void share_soon(const std::string& model);
  void share_all_after(Duration wall, net::Loop::TimerId& timer);
  void share_out(const std::string& name, Model& model);
  void share_replica(const std::string& name, std::int64_t ready, ReplicaId id,
                     const Replica& replica);
  void look_drained(const std::string& name, Model& model);
  bool done_with(const Gateway& gateway, const std::string& model, ReplicaId id) const;
  void touch(const std::string& model);
  void flush_soon();
  void flush(Gateway& gateway);
  News compose(const Gateway& gateway, std::uint64_t version);
  void remember_sent(Gateway& gateway, const News& news);

  net::Loop& loop_;
  const net::WorldClock& clock_;
  FleetOptions options_;
  FleetHooks hooks_;
  std::unique_ptr<Server> server_;
  std::map<std::string, Model> models_;
  std::map<GatewayId, Gateway> gateways_;
  /// That of this process, or none; where it is told.
  std::shared_ptr<std::function<void(const News&)>> own_;
  bool own_on_way_ = false;         ///< a message to it
  std::set<std::string> to_share_;  ///< models, before the next flush
  bool leads_ = false, flush_pending_ = false;
  Instant began_;  ///< to lead, mono
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId unknown_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId grace_timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::link
