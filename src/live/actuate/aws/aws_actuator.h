#pragma once
// AwsActuator: the instances of an auto scaling group, and of its warm pool.
//
//   target: {awsAutoScalingGroup: {name: llm-h100, region: eu-central-1, port: 8000}}
//
// Up: SetDesiredCapacity. Down: what has not come is cancelled by the same; of the rest each victim
// is drained, then terminated by name with the capacity falling by one, so that Auto Scaling never
// chooses. An apply that wants more takes victims back that still run. Instances are the replicas:
//
//   desired and not there: ordered; Pending*, or in service and not healthy yet: starting; InService
//   and healthPath answers 200: ready (at its private address); Warmed:Stopped|Hibernated|Running:
//   sleeping; on its way out, or in standby: draining; not in the group any more: gone
//
// The group is read before anything is written. A desired capacity that is not ours, seen twice, is
// told (applied, ok, with that number) and ours is dropped. With warmPool.maxReplicas above 0 the
// group's warm pool has exactly as many instances as shall sleep: raising the capacity wakes one,
// which one is Auto Scaling's choice; a replica put to sleep is scaled in with reuse. What AWS
// says cannot be launched is CapacityFailed, told again each kCapacityPeriod. While AWS does not
// answer nothing is concluded. Without an apply nothing is written, but the named termination hook
// of drained instances is completed. The fleet is not ours to stop: shutdown() leaves it.
// Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/rng.h"
#include "live/actuate/actuator.h"
#include "live/actuate/aws/health_probes.h"
#include "live/actuate/reporter.h"
#include "live/aws/auto_scaling.h"
#include "live/net/clock.h"
#include "live/store/journal.h"

namespace tidegate::live {

struct AwsWorld {
  net::Loop& loop;
  net::HttpClient& client;
  const net::WorldClock& clock;
  Journal& journal;
  aws::Accounts& accounts;
};

struct AwsOptions {
  Duration look_period = seconds(15);    ///< wall, at rest
  Duration moving_period = seconds(3);   ///< wall, while something is on its way
  Duration first_back_off = seconds(1);  ///< wall; doubled, at most kLongestBackOff
  ProbeOptions probe;
  std::uint64_t seed = 1;
};

class AwsActuator final : public Actuator {
 public:
  static constexpr Duration kCapacityPeriod = seconds(30);  ///< world
  static constexpr Duration kLongestBackOff = seconds(60);  ///< wall
  static constexpr std::int64_t kMaxOrdered = 1'000;        ///< replicas known before they come

  /// Error: not such a target, or no credentials are known.
  static Result<std::unique_ptr<AwsActuator>> create(AwsWorld world, AwsOptions options,
                                                     const spec::Model& model,
                                                     const spec::Variant& variant,
                                                     ActuatorSink sink);
  ~AwsActuator() override;

  void adopt() override;
  void apply(const control::Apply& wanted) override;
  void drained(ReplicaId id) override;
  void sleep(ReplicaId id, int level) override;
  /// Which one wakes is Auto Scaling's choice, and that one shall is said by the apply.
  void wake(ReplicaId) override {}
  void reload(const spec::Model& model, const spec::Variant& variant) override;
  std::vector<ReplicaInfo> replicas() const override;
  bool in_step() const override { return !adopting_; }
  void shutdown(std::function<void()> done) override;

 private:
  /// What its lifecycle state means to us.
  enum class Phase : std::uint8_t {
    kOrdered,
    kComing,
    kServing,
    kPooling,
    kAsleep,
    kGoing,
    kOther
  };
  struct Member {
    ReplicaInfo info;
    std::string instance;  ///< empty: ordered only
    std::string lifecycle;
    Phase phase = Phase::kOrdered;
    bool told = false, is_protected = false, healthy = false;
    bool leaving = false;  ///< shall be terminated by us, or put into the pool
    bool to_pool = false, drained = false, asked = false;
    bool completed = false;  ///< its termination hook
    bool woken = false;
    bool missed = false;  ///< in neither list of the last look
    Instant in_service_at;
    net::Loop::TimerId deadline = net::Loop::TimerId::kNone;
    bool counts() const { return !asked && (phase == Phase::kComing || phase == Phase::kServing); }
  };
  using Done = aws::AwsResult<aws::None>;

  AwsActuator(AwsWorld world, AwsOptions options, std::string model, const spec::Variant& variant,
              std::shared_ptr<aws::Client> client, ActuatorSink sink);
  const spec::AwsAutoScalingGroupTarget& target() const {
    return std::get<spec::AwsAutoScalingGroupTarget>(variant_.target);
  }
  bool pooled() const { return variant_.warm_pool.max_replicas > Replicas(0); }
  void forget();
  template <class T>
  aws::Told<T> guarded(void (AwsActuator::*then)(aws::AwsResult<T>));

  // Looking (looking.cc).
  void look();
  void seen_group(aws::AwsResult<aws::Group> group);
  void seen_pool(aws::AwsResult<aws::WarmPool> pool);
  void look_for_machines();
  void seen_machines(aws::AwsResult<std::map<std::string, aws::Machine>> machines);
  void seen_all();
  void seen_activities(aws::AwsResult<std::vector<aws::Activity>> activities);
  void check_capacity(const std::string& failed);
  void foreign(std::int64_t desired);
  void trouble(const std::string& what, const std::string& detail);

  // Writing (writing.cc).
  void turn();
  bool write_number();
  bool write_pool();
  bool terminate_one();
  bool complete_one();
  bool protect_some();
  void set_desired(std::int64_t desired);
  void shrink(std::int64_t excess);
  void recall(std::int64_t count);
  void answer();
  void rest();
  void write(const char* what, const std::function<void(aws::Told<aws::None>)>& call,
             std::function<void()> then);
  std::int64_t awake_goal() const;
  std::int64_t leaving() const;
  std::int64_t pool_goal() const;
  bool moving() const;

  // The instances (members.cc).
  static Phase phase_of(const std::string& lifecycle);
  void place(const aws::Instance& instance);
  Member* appear(const aws::Instance& instance, Phase phase);
  void advance(Member& member);
  void serve(Member& member);
  void probed(ReplicaId id, const std::string& trouble);
  void ready(Member& member);
  void begin_leaving(Member& member);
  void stay(Member& member);
  void drain(Member& member);
  void report(Member& member, control::ReplicaState state);
  void end(Member& member);
  void reconcile_orders();
  std::int64_t not_there() const;
  std::int64_t missing() const;
  Member* find(ReplicaId id);
  Member* find(const std::string& instance);

  AwsWorld world_;
  AwsOptions options_;
  std::string model_;
  spec::Variant variant_;
  Reporter reporter_;
  std::shared_ptr<aws::Client> client_;
  Rng chance_;
  HealthProbes probes_;

  aws::Group group_;
  aws::WarmPool pool_;
  std::map<ReplicaId, Member> members_;
  std::map<std::string, std::string> addresses_;   ///< private, by instance
  std::optional<std::set<std::string>> old_news_;  ///< activities that were told or preceded us
  std::string capacity_detail_;                    ///< why what is missing does not come
  Instant capacity_next_;

  std::int64_t wanted_ = -1, wanted_asleep_ = 0;  ///< wanted awake; -1: none yet
  std::int64_t expected_ = -1, suspect_ = -1;     ///< the group's desired capacity
  std::int64_t pool_written_ = -1;                ///< by us; -1: not yet
  std::set<ReplicaId> victims_;
  bool started_ = false, stopping_ = false, adopting_ = true;
  bool busy_ = false, stale_ = true, answer_due_ = false, troubled_ = false;
  int failures_ = 0;
  net::Loop::TimerId retry_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId look_timer_ = net::Loop::TimerId::kNone;
  Instant look_at_;                                        ///< when it fires
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  ///< another one: old answers are nothing
};

template <class T>
aws::Told<T> AwsActuator::guarded(void (AwsActuator::*then)(aws::AwsResult<T>)) {
  return [this, then, alive = std::weak_ptr(alive_)](aws::AwsResult<T> result) {
    if (!alive.expired()) (this->*then)(std::move(result));
  };
}

}  // namespace tidegate::live
