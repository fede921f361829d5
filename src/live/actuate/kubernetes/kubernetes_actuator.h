#pragma once
// KubernetesActuator: anything with a scale subresource, and the pods it makes.
//
//   target: {kubernetes: {name: qwen3-32b, namespace: serve, port: 8000}}
//
// apply() writes `spec.replicas` of /scale onto the version it has just read; in between nobody's
// write is lost. A number there that is not ours is told (applied, ok, with that number), and ours
// is dropped: the controller goes on from there. Victims get the deletion cost that makes their
// controller take them first. Pods that the scale's selector picks are the replicas:
//
//   not on a node: ordered, on one: starting, Ready: ready (at podIP:port), deletionTimestamp set:
//   draining, removed: gone; crashing, evicted or no longer Ready: failed, with the kubelet's words
//
// The pods of all variants in a namespace are followed together (kube/shared_informers.h).
// What a start found is known by its pod and node: no node took it at first; its node had the
// weights (Options::weights_label) when it came there; else it was cold.
// How long its images were pulled is in its Events, which are asked for once, when its containers
// run; where they say nothing in time the pod's own times count.
// Pods that no node takes for `pendingTimeout`, and pods that cannot start, are CapacityFailed,
// told again each kCapacityPeriod, with the words of the scheduler and, from the Events of the
// first of them, of what makes nodes. While the API server is gone nothing is concluded: replicas
// stay as they were, a write is told as not applied and tried again with back-off (1 s, doubled, at
// most 60 s of world time). The fleet is not ours to stop: shutdown() leaves it.
//
// A pod that sleeps stays, Ready and on its node, and counts in the scale's number. Before it is
// told to, it is marked in one patch: an annotation with the level (kSleepingNote), a label that
// takes it out of Services that select awake pods (kAwakeLabel), a deletion cost that makes it go
// before all that serve and after victims named. It is told once its engine holds nothing, whoever
// sent it, or after kDrainLimit. Woken, it is ready at once and the marks are taken off after. The
// mark is what was meant, the engine what is: whoever finds a mark (a run after us, a process that
// does not lead) asks /is_sleeping before it routes there.
// Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "live/actuate/actuator.h"
#include "live/actuate/engine/engine_talk.h"
#include "live/actuate/kubernetes/pod.h"
#include "live/actuate/kubernetes/pod_events.h"
#include "live/actuate/reporter.h"
#include "live/kube/clusters.h"
#include "live/kube/informer.h"
#include "live/net/clock.h"
#include "live/store/journal.h"

namespace tidegate::live {

struct KubernetesWorld {
  net::Loop& loop;
  const net::WorldClock& clock;
  Journal& journal;
  kube::Clusters& clusters;
  net::HttpClient& client;  ///< to the engines
};

struct KubernetesOptions {
  /// Wall: how often foreign writes are looked for, where the pods do not give them away at once;
  /// less often where all variants together would look more than once in each look_spacing.
  Duration look_period = seconds(15);
  Duration look_spacing = millis(50);
  kube::InformerOptions informer;
  /// The label that a node has once the variant's weights are on it ("ready"); empty: nobody keeps
  /// them. With one, the node of each start is read, once.
  std::function<std::string(const spec::Variant&)> weights_label;
};

class KubernetesActuator final : public Actuator {
 public:
  static constexpr Duration kCapacityPeriod = seconds(30);  ///< world
  static constexpr int kMaxConflicts = 10;                  ///< in a row, before a back-off
  static constexpr Duration kAskedAgain = seconds(300);     ///< wall: why a pod has no node
  // World time, of sleep.
  static constexpr Duration kDrainLimit = seconds(120);
  static constexpr Duration kIdleLook = millis(500);     ///< whether its engine holds nothing yet
  static constexpr Duration kSleepRetry = seconds(300);  ///< after an engine refused to
  static constexpr Duration kWakeRetry = seconds(30);    ///< of one whose wake-up failed
  static constexpr Duration kMarkRetry = seconds(10);    ///< taking marks off
  static constexpr Duration kDoubtLook = seconds(1);     ///< asking one that is marked
  static constexpr Duration kDoubtLimit = seconds(240);  ///< marked by a process that ended
  static constexpr Duration kMarkSeen = seconds(30);     ///< wall: until a watch tells of our mark

  /// Error: not a Kubernetes target, or no way to its cluster is known.
  static Result<std::unique_ptr<KubernetesActuator>> create(KubernetesWorld world,
                                                            KubernetesOptions options,
                                                            const spec::Model& model,
                                                            const spec::Variant& variant,
                                                            ActuatorSink sink);
  ~KubernetesActuator() override;

  void adopt() override;
  void apply(const control::Apply& wanted) override;
  void hold() override;
  void drained(ReplicaId id) override;
  void sleep(ReplicaId id, int level) override;
  void wake(ReplicaId id) override;
  void reload(const spec::Model& model, const spec::Variant& variant) override;
  std::vector<ReplicaInfo> replicas() const override;
  bool in_step() const override { return !adopting_; }
  void shutdown(std::function<void()> done) override;

 private:
  /// Between serving and sleep.
  enum class Rest : std::uint8_t {
    kAwake,
    kFalling,   ///< draining, by our word
    kTold,      ///< its engine was told to sleep
    kAsleep,    ///< its engine said so
    kWaking,    ///< its engine was told to wake
    kStuck,     ///< and did not
    kDoubtful,  ///< marked by somebody else; its engine is asked
  };
  struct Pod {
    ReplicaInfo info;
    PodView view;
    bool told = false;    ///< info.state was reported
    bool served = false;  ///< was ready once: what comes now is no start
    control::StartFrom found = control::StartFrom::kCold;
    bool looked = false;  ///< at its node
    PodEvents said;
    bool asked = false;   ///< for the Events of its start
    Instant asked_why{};  ///< mono; for those of its wait for a node, last
    Rest rest = Rest::kAwake;
    int level = 1;
    bool noted = false, drained = false;  ///< kFalling: marked; we hold nothing there any more
    std::string trouble;                  ///< why it did not sleep or wake last
    Instant since;                        ///< world; kWaking: told, kFalling, kDoubtful: it began
    bool marked = false;                  ///< by us, last
    bool unmarking = false;               ///< and the API server has not answered yet
    Instant marked_until;                 ///< mono; until then a watch may tell of before
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
    EngineTalk::Ptr talk;
  };
  using Answer = kube::ApiResult<nlohmann::json>;

  KubernetesActuator(KubernetesWorld world, KubernetesOptions options, std::string model,
                     const spec::Variant& variant, std::shared_ptr<kube::KubeClient> client,
                     ActuatorSink sink);
  const spec::KubernetesTarget& target() const {
    return std::get<spec::KubernetesTarget>(variant_.target);
  }
  kube::KubeClient::CallId call(kube::ApiCall call, std::function<void(Answer)> answered);
  void forget();
  void start_over();
  bool selects_others(const nlohmann::json& scale);

  // The target: which collection it is in, which pods are its own (target.cc).
  void resolve();
  void found(const nlohmann::json& resources);
  void follow(const nlohmann::json& scale);
  void unresolved(const kube::ApiError& error);
  void cannot_follow(const kube::ApiError& error);
  void outage(const kube::ApiError& error);

  // The number (scaling.cc).
  void work();
  void mark_victims();
  void set_cost(const Pod& pod, const std::string& cost);
  void read_scale();
  void write_scale(std::int64_t now, const std::string& version);
  void in_force(std::int64_t replicas);
  void not_applied(const std::string& detail);
  void foreign(std::int64_t replicas);
  void stands(std::int64_t replicas);
  void look();
  Duration look_wait();
  std::int64_t surplus() const;
  void in_touch();
  void retry_later();
  Duration back_off();

  // The pods (replicas.cc).
  void seen(const std::string& key, const nlohmann::json& object);
  void removed(const std::string& key);
  void advance(Pod& pod);
  void report(Pod& pod, control::ReplicaState state);
  void end(Pod& pod);
  void check_capacity();
  void look_at_node(const std::string& key, Pod& pod);
  void look_at_start(const std::string& key, Pod& pod);
  void look_why_it_waits(const std::string& key, Pod& pod);
  void read_events_of(const std::string& key, const Pod& pod);

  // Sleep (sleeping.cc).
  Pod* find(ReplicaId id);
  void quiet(Pod& pod);
  void later(Pod& pod, Duration world, void (KubernetesActuator::*then)(Pod&));
  void mark(Pod& pod, int level, std::function<void(const std::string& problem)> done);
  void unmark(Pod& pod);
  void look_whether_idle(Pod& pod);
  void fall_asleep(Pod& pod);
  void stay_awake(Pod& pod, const std::string& problem);
  void wake_up(Pod& pod);
  void woken(Pod& pod, const std::string& problem);
  void doubt(Pod& pod);
  void ask_whether_asleep(Pod& pod);
  void serve_again(Pod& pod);
  bool rests(Pod& pod);
  void interrupted(Pod& pod);

  KubernetesWorld world_;
  KubernetesOptions options_;
  std::string model_;
  spec::Variant variant_;
  Reporter reporter_;
  std::shared_ptr<kube::KubeClient> client_;
  Rng chance_;

  kube::Resource resource_;                   ///< of the target; empty plural: not known yet
  std::unique_ptr<kube::Follower> follower_;  ///< of the target's pods
  std::map<std::string, Pod> pods_;
  std::map<std::string, std::string> ended_;  ///< pods that ended and linger: key and uid
  std::string selector_;                      ///< of the target's pods
  Instant next_sleep_;                        ///< world; an engine refused to
  bool nodes_refused_ = false;                ///< and that was said
  bool adopting_ = true, troubled_ = false;
  kube::Outages::Part outage_;  ///< that keeps us from following, and others
  std::string told_;            ///< trouble of our own, said last
  bool blind_ = false;          ///< the number wanted is of before the pods were seen

  std::int64_t wanted_ = -1, in_force_ = -1;  ///< -1: none yet
  std::set<ReplicaId> victims_;
  kube::KubeClient::CallId write_ = kube::KubeClient::CallId::kNone;  ///< of the number
  bool working_ = false, looking_ = false, started_ = false, stopping_ = false;
  bool capacity_told_ = false;  ///< the timer tells it again; else it waits for the first time
  int marks_left_ = 0, conflicts_ = 0, failures_ = 0;
  net::Loop::TimerId retry_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId look_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId capacity_timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  ///< another one: old answers are nothing
};

}  // namespace tidegate::live
