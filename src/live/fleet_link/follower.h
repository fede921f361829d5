#pragma once
// Follower: a gateway apart from its controller: told of replicas by whoever leads, and tells what
// its routers count.
//
//   Follower follower(loop, clock, gateway, {.leaders = {...}, .name = "gw-0:8080"});
//   follower.set_models(models);           // as the gateway has them
//   follower.start();
//   follower.waits("m");                   // a request came and waits: told at once
//
// Without a leader the gateway serves on with the replicas and shares it was told last; nothing is
// taken away until a leader that has seen all that runs says so. A new leader may call the same
// engine by another id: it is known by its address, and what runs on it runs on. Reports go each
// period (a second of world time, no less than kLeastPeriod), with the models that have changed.
//
// Where this very process comes to lead: lead(fleet) leaves the stream and joins the fleet here,
// and follow() goes back to a stream; the gateway keeps its replicas and what runs on them.
// Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/spec/model.h"
#include "live/fleet_link/client.h"
#include "live/gateway/gateway.h"
#include "live/net/clock.h"

namespace tidegate::live::link {

struct FollowerOptions {
  std::vector<net::Address> leaders;  ///< or, as ClientOptions has it:
  std::function<std::optional<LeaderPlace>()> leader = nullptr;
  std::string token = {};
  ClientTls tls = {};
  std::string name = {};  ///< host:port of our clients' side
  std::string version = {};
  std::uint64_t incarnation = 0;     ///< by chance, not 0
  Duration leaderless = seconds(3);  ///< without a leader so long (wall): seen() counts
  static constexpr Duration kLeastPeriod = millis(100);
  Duration least_period = kLeastPeriod;  ///< wall
  Duration longest_pause = ClientOptions::kLongestPause;
};

/// For people.
struct LeaderView {
  bool connected = false;
  net::Address address;  ///< the last one where not connected; host empty: none yet
  std::string name;
  std::string trouble;  ///< why there is none
  Duration since{0};    ///< connected or lost so long, wall
};

class Fleet;

class Follower {
 public:
  static constexpr Duration kPeriod = seconds(1);
  static constexpr std::size_t kMaxEarly = 20'000;  ///< models told of and not served here

  Follower(net::Loop& loop, const net::WorldClock& clock, Gateway& gateway,
           FollowerOptions options);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  void set_models(const std::vector<spec::Model>& models);
  void start();
  /// This process leads: `fleet`, which outlives the lead, tells from now on.
  void lead(Fleet& fleet);
  /// It leads no longer: whoever does is sought.
  void follow();
  void waits(const std::string& model);
  /// The gateway ends and holds nothing any more: who leads is told, so that what it could use is
  /// the others' at once. False: nobody leads; else that takes kFarewell (wall) at most.
  bool leave();
  static constexpr Duration kFarewell = millis(200);
  /// All engines of a variant, as the cluster publishes them. Without a leader for a while, new
  /// ones are used, in equal parts with the other gateways there were, those that end get nothing
  /// more, and those that were seen here and are no more are gone. The next leader's word replaces
  /// it, by address.
  void seen(const std::string& model, std::int32_t variant, const EngineSight& sight);
  LeaderView leader() const;
  /// Where the replicas of a model are, by the gateway's own id.
  std::map<ReplicaId, net::Address> addresses(const std::string& model) const;

 private:
  /// One replica, as the gateway was told.
  struct Known {
    ReplicaId theirs;  ///< the leader's id
    ReplicaNews news;
  };
  struct Model {
    spec::Model spec;
    std::map<ReplicaId, Known> replicas;  ///< by our id
    struct Sight {
      EngineSight now;
      std::set<net::Address> ever;  ///< ready at one time: those that are no more are gone
    };
    std::map<std::int32_t, Sight> sights;  ///< by variant
    ModelReport sent;
    bool ever_sent = false;
  };

  void seek();
  void remember(Hello& hello) const;
  void found(const net::Address& address);
  void lost(const std::string& why);
  bool connected() const { return own_ != nullptr || client_->connected(); }
  bool send(const Report& report);
  void heard(const News& news);
  void take(Model& model, const ModelNews& news);
  void go_by_sight(Model& model);
  void add_by_sight(Model& model, std::int32_t variant, const net::Address& address);
  ReplicaId ours(const Model& model, const ReplicaNews& news) const;
  void tell(const std::string& name, ReplicaId id, const ReplicaNews* before,
            const ReplicaNews& now);
  void tick();
  void report();
  ModelReport look(const Model& model) const;

  net::Loop& loop_;
  const net::WorldClock& clock_;
  Gateway& gateway_;
  ClientOptions seeking_;
  std::unique_ptr<Client> client_;  ///< none while we lead
  Fleet* own_ = nullptr;            ///< while we lead
  std::map<std::string, Model> models_;
  /// Told of models that we do not serve yet.
  std::map<std::string, ModelNews> early_;
  std::uint64_t heard_version_ = 0;
  std::int64_t gateways_ = 0;  ///< there are, by the last leader; 0: there was none
  Duration leaderless_, least_period_;
  bool report_wanted_ = false, report_pending_ = false, leaving_ = false;
  std::string leader_name_;
  net::Address last_leader_{"", 0};
  Instant since_;  ///< connected or lost, mono
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::link
