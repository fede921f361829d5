#pragma once
// ProcessActuator: replicas as processes of this machine. One for each variant with a `process`
// target.
//
//   ProcessActuator actuator({loop, client, clock, journal, devices, ports}, options, model,
//   variant, sink); actuator.adopt();                       // engines that a run before left
//   behind actuator.apply({"h100", Replicas(3), {}});
//
// Each replica is its own session and process group with its own port, log file, environment and
// leased devices. The intent is on disk before each start and the environment names state directory
// and replica, so that after `kill -9` at any moment the next run finds every engine and starts
// none twice. Ports and devices are free again only when the whole group is gone.
//
// A replica lives: ordered, starting, ready (sleeping), draining, gone; or failed, then gone. Ready
// is the first 200 of health_path. Its start is measured by stage: procurement is the wait for a
// device; weights, compilation and capture are what the engine's log says (format/engine_log.h),
// the engine's stage is what is left, and unknown as weights are where the log says nothing.
// Draining waits for drained() or drain_timeout, then SIGTERM, stop_grace, SIGKILL, each to the
// group. Starts that fail back off (1 s, doubled, at most 60 s); a command that cannot be started,
// a crash loop, a start time-out and a lack of devices are CapacityFailed. A ready engine whose
// health fails `probe_failures` times in a row is killed and replaced.
//
// To sleep it drains first (drained() or drain_timeout), then is told; woken it is starting until
// the engine has answered. Replicas that sleep count as replicas, and go before one that serves
// where nobody is named. Where warmPool.holdsDevice is false a sleeper's devices are lent to
// others; one that cannot have them back is replaced, if there are others. An engine that refuses
// to sleep serves on, and none is asked again for a while.
//
// start_timeout, drain_timeout and back-off are world time; stop_grace and the probes are wall
// time. In each word of the command and value of `env`, {port} {model} {gpus} {replica} are
// replaced; {model} is the first served name. Thread-safety: the loop's thread. Destroyed without
// shutdown() it leaves the engines running, as if killed.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/control/replicas.h"
#include "live/actuate/actuator.h"
#include "live/actuate/engine/engine_talk.h"
#include "live/actuate/process/devices.h"
#include "live/actuate/process/logs.h"
#include "live/actuate/process/ports.h"
#include "live/actuate/reporter.h"
#include "live/net/clock.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"
#include "live/store/journal.h"

namespace tidegate::live {

/// What all process actuators of a run share.
struct ProcessWorld {
  net::Loop& loop;
  net::HttpClient& client;
  const net::WorldClock& clock;
  Journal& journal;
  DevicePool& devices;
  PortPool& ports;
};

using EnvironmentList = std::vector<std::pair<std::string, std::string>>;

struct ProcessOptions {
  std::string state_dir =
      ".tidegate";  ///< logs are in its `logs/`; its absolute path marks our engines
  /// TIDEGATE_ENGINE_* for a replica; id 0 asks for what does not depend on the replica. The spec's
  /// own `env` wins over it.
  std::function<EnvironmentList(const spec::Model&, const spec::Variant&, ReplicaId)> engine_env;
  bool leave = false;  ///< shutdown() lets the engines run; the next start adopts them

  // Wall time.
  Duration boot_poll = millis(25);       ///< between health probes while starting, up to 16 at once
  Duration probe_period = seconds(2);    ///< while ready
  Duration probe_timeout = seconds(10);  ///< for one answer
  int probe_failures = 3;                ///< in a row: the engine hangs
  Duration gone_poll = millis(20);       ///< while a group dies
};

/// Error if a run before left engines of this model at another --time-scale: to adopt them would
/// mix two clocks. Ask before adopt().
Result<void> check_time_scale(Journal& journal, const std::string& model, double time_scale);

/// Engines of this state directory that no process target of `models` answers for: their model or
/// variant left the spec while nobody ran, or their journal was lost. Each group gets SIGTERM; rows
/// of dead ones are forgotten. Ask once at start, beside adopt(). Returns how many engines were
/// told to stop.
Result<std::int64_t> stop_strays(Journal& journal, const std::string& state_dir,
                                 const std::vector<spec::Model>& models);

class ProcessActuator final : public Actuator {
 public:
  ProcessActuator(ProcessWorld world, ProcessOptions options, spec::Model model,
                  spec::Variant variant, ActuatorSink sink);
  ~ProcessActuator() override;

  void adopt() override;
  void apply(const control::Apply& wanted) override;
  void drained(ReplicaId id) override;
  void sleep(ReplicaId id, int level) override;
  void wake(ReplicaId id) override;
  void reload(const spec::Model& model, const spec::Variant& variant) override;
  std::vector<ReplicaInfo> replicas() const override;
  void shutdown(std::function<void()> done) override;

 private:
  enum class Stop : std::uint8_t { kNo, kDraining, kTerminating, kKilled };
  struct Replica {
    ReplicaInfo info;
    DevicePool::Lease lease;
    std::uint64_t start_ticks = 0;
    std::uint64_t hash = 0;  ///< of what it was started with
    Stop stop = Stop::kNo;
    bool leader_ended = false;
    Instant spawned_at;
    Instant ready_at = Instant::never();
    int probes_failed = 0;
    int sleep_level = 2;        ///< wake-up after level 2 is right after level 1 too, only slower
    bool maybe_asleep = false;  ///< adopted: it slept when it was last heard of
    bool busy = false;          ///< between a sleep or wake-up request and its answer
    bool falling = false;       ///< kDraining: to sleep, not to stop
    bool waking = false;        ///< kStarting: from sleep
    bool lent = false;          ///< its lease is given back while it sleeps
    Instant told_to_wake;
    net::HttpClient::CallId probe_call = net::HttpClient::CallId::kNone;
    EngineTalk::Ptr talk;  ///< or none
    net::Loop::TimerId probe_timer = net::Loop::TimerId::kNone;
    net::Loop::TimerId deadline = net::Loop::TimerId::kNone;  ///< of the start, drain or grace
    net::Loop::TimerId gone_timer = net::Loop::TimerId::kNone;

    bool booting() const { return control::is_booting(info.state) && !waking; }
    /// Neither failed nor on its way out: counts towards what was asked for.
    bool lives() const { return stop == Stop::kNo && info.state != control::ReplicaState::kFailed; }
    bool asleep() const { return info.state == control::ReplicaState::kSleeping; }
  };

  // How many (process_actuator.cc).
  void reconcile();
  void reconcile_after(Duration wall);
  void stop_surplus(std::int64_t surplus);
  bool may_start();
  void out_of_devices();
  void start_failed(const std::string& detail, bool at_once);
  void capacity_failed(std::int64_t limit, Duration retry_after, const std::string& detail);
  std::int64_t count() const;
  std::uint64_t hash_of_spec() const;
  /// {model} and {gpus}: what a word holds before it is known which replica it is for.
  std::string spec_word(const std::string& word) const;

  // One replica (process_life.cc).
  void start_one();
  Result<int> launch(Replica& r);
  void watch(Replica& r);
  void probe(ReplicaId id);
  void probe_in(Replica& r, Duration wall);
  void probed(ReplicaId id, const std::string& problem);
  void became_ready(Replica& r);
  control::StageTimes stages_of(const Replica& r) const;
  void failed(Replica& r, const std::string& detail);  ///< backs off and replaces it
  void ended(ReplicaId id);
  void stop(Replica& r);
  void terminate(Replica& r);
  void kill_group(Replica& r);
  void await_gone(ReplicaId id, Duration again);
  void gone(ReplicaId id);
  void report(Replica& r, control::ReplicaState state);
  void quiet(Replica& r);  ///< cancels its timers and calls
  Replica* find(ReplicaId id);
  void finish_shutdown();

  // What a run before left (process_adopt.cc).
  void adopt_row(const ReplicaRecord& row, const std::vector<struct OwnProcess>& processes);

  // Sleep and wake-up (process_sleep.cc).
  void ask_whether_asleep(ReplicaId id);
  void fall_asleep(Replica& r);
  void sleeps(Replica& r);
  bool has_devices(Replica& r);  ///< takes them back where they were lent

  const spec::ProcessTarget& target() const {
    return std::get<spec::ProcessTarget>(variant_.target);
  }
  /// `f` if we still exist then.
  template <class F>
  auto guarded(F f) {
    return [weak = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
      if (weak.lock()) f(std::forward<decltype(args)>(args)...);
    };
  }

  ProcessWorld world_;
  ProcessOptions options_;
  spec::Model model_;
  spec::Variant variant_;
  Reporter reporter_;
  EngineLogs logs_;
  std::uint64_t hash_ = 0;
  std::map<ReplicaId, std::unique_ptr<Replica>> replicas_;  // by age: ids only grow
  std::int64_t wanted_ = -1;                                // -1: nobody asked yet
  std::vector<ReplicaId> victims_;
  std::vector<Instant> device_waits_;  ///< one a replica that waits for a device, oldest first
  int failures_ = 0;                   ///< starts in a row
  Instant next_start_;                 ///< world; back-off
  Instant next_sleep_;                 ///< world; an engine refused to
  Instant next_capacity_report_;       ///< world; lack of devices is said once a retry period
  bool reconciling_ = false;           ///< a pass is on its way
  net::Loop::TimerId retry_timer_ = net::Loop::TimerId::kNone;
  bool stopping_ = false;
  std::vector<std::function<void()>> done_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
