#pragma once
// ModelRun: one model's controller with its hands and eyes: observations in, actions carried out.
//
// Wiring only: core/control decides, actuators act, the gateway routes, the scraper measures; this
// hands values between them, in the order they happen. Events that arise while an action is carried
// out wait in a queue, so the controller is never re-entered. World time throughout. Thread-safety:
// the loop's thread.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/control/controller.h"
#include "core/control/strays.h"
#include "format/spec_yaml.h"
#include "format/tape.h"
#include "live/actuate/actuator.h"
#include "live/gateway/data_plane.h"
#include "live/net/clock.h"
#include "live/net/loop.h"
#include "live/run/ledger.h"
#include "live/run/run_options.h"
#include "live/run/senses.h"
#include "live/sense/scraper.h"
#include "live/store/journal.h"

namespace tidegate::live {

class DevicePool;
class PortPool;
namespace aws {
class Accounts;
}
namespace kube {
class Clusters;
}

class ModelRun;

/// What every model of a run shares.
struct RunParts {
  net::Loop& loop;
  net::HttpClient& client;
  net::WorldClock& clock;
  DataPlane& gateway;  ///< this process's, or those elsewhere
  Scraper& scraper;
  Journal& journal;
  DevicePool& devices;
  PortPool& ports;
  kube::Clusters& clusters;
  aws::Accounts& accounts;
  net::CurlClient& outside;  ///< Prometheus
  const RunOptions& options;
  format::TapeWriter* tape = nullptr;  ///< or none
  /// After each event, when the controller has decided or left it.
  std::function<void(const ModelRun&)> handled = {};
  /// What people should hear, besides log and journal; or none.
  std::function<void(const ModelRun&, const control::Announce&)> announced = {};
};

/// Last words of a replica that is gone, kept for people.
struct ReplicaNote {
  ReplicaInfo info;
  Instant at;
};

class ModelRun {
 public:
  /// An error names the variant and what its target lacks. Nothing is started before begin().
  static Result<std::unique_ptr<ModelRun>> create(RunParts parts, format::LoadedModel loaded);
  ~ModelRun();

  /// Takes over what a run before left, then decides.
  void begin();
  Result<void> reload(format::LoadedModel loaded);
  void say(const control::OperatorSaid& said);
  /// Leadership came or went: only who leads applies numbers.
  void lead(bool leading);
  /// What a run before, or another leader, had learned.
  void teach(const control::Taught& learned);
  control::Taught learned() const { return {controller_.learned(), controller_.measured_starts()}; }
  /// Ever, of all variants: another number says that there is something new to keep.
  std::int64_t starts_measured() const;
  /// The router says a draining replica holds nothing any more.
  void drained(ReplicaId id);
  /// A request came and waits. With nothing running or on its way that cannot wait for the next
  /// tick.
  void waits();
  /// Drains and stops all replicas that are ours (options.leave: lets them run), then calls `done`.
  void shutdown(const std::function<void()>& done);

  const std::string& name() const { return loaded_.model.name; }
  const spec::Model& model() const { return loaded_.model; }
  const format::LoadedModel& loaded() const { return loaded_; }
  control::View view() const { return controller_.view(); }
  Ledger& ledger() { return ledger_; }
  const std::map<ReplicaId, ReplicaInfo>& replicas() const { return replicas_; }
  const control::ColdStarts& cold_starts(std::size_t variant) const {
    return controller_.cold_starts(variant);
  }
  const std::deque<ReplicaNote>& notes() const { return notes_; }
  const Senses& senses() const { return senses_; }
  /// Requests that its engines run and no gateway of ours sent.
  double strays() const { return strays_.requests(); }
  const signal::Observation& last_observation() const { return last_; }
  const std::map<std::string, std::int64_t>& decisions_by_reason() const { return by_reason_; }
  /// Decided at least once with all in sight that ran at the start: until then view().desired is no
  /// number to act on.
  bool decided() const { return decided_; }
  /// Replicas that the variant's target counts, sleeping and failing ones too; none: not in sight.
  std::optional<Replicas> running(const std::string& variant) const;
  /// What was told to the variant's actuator last, by a decision or an operator.
  std::optional<Replicas> applied(const std::string& variant) const;
  /// Why a target did not take its number; empty: all did.
  std::string refused() const;
  /// What there is no capacity for, in the target's words; empty: enough, as far as is known.
  std::string short_of(Instant now) const;
  std::int64_t scale_ups() const { return scale_ups_; }
  std::int64_t scale_downs() const { return scale_downs_; }
  /// Every variant has the replicas that were decided, and they are ready.
  bool settled() const;

 private:
  ModelRun(RunParts parts, format::LoadedModel loaded, control::Start start);
  struct VariantRun {
    spec::Variant spec;
    std::unique_ptr<Actuator> actuator;
  };
  Result<void> open_variant(const spec::Variant& variant);
  ActuatorSink sink();
  int variant_index(const std::string& variant) const;
  /// In the spec as it is now; -1: the variant has left it.
  std::int32_t spec_index(const std::string& variant) const;

  void tick();
  bool in_step() const;
  void observe();
  control::Observed observed(Instant now);

  void feed(control::Event event);
  void perform(const control::Action& action);
  void perform_apply(const control::Apply& apply);
  void perform_record(const control::Record& record);
  void schedule();
  void replica_changed(const ReplicaInfo& info);
  void to_gateway(const ReplicaInfo& info);
  void tell_room(const ReplicaInfo& info);
  void scraped(ReplicaId id, const signal::ReplicaSignals& page);
  void tell_kv(ReplicaId id, const signal::ReplicaSignals& page);
  void remember_start();

  RunParts parts_;
  format::LoadedModel loaded_;
  control::Controller controller_;
  control::Start start_;  ///< as saved last
  std::vector<VariantRun> variants_;
  std::map<ReplicaId, ReplicaInfo> replicas_;
  std::map<ReplicaId, std::int64_t> kv_tokens_;  ///< as the engine itself reports
  std::deque<ReplicaNote> notes_;
  Ledger ledger_;
  Senses senses_;
  control::Strays strays_;
  signal::Observation last_;
  std::map<std::string, std::int64_t> by_reason_;
  std::map<std::string, policy::VariantReplicas> applied_;  ///< by variant, as applied last
  struct TargetWords {
    std::string refused, short_of;
    Instant short_until;
  };
  std::map<std::string, TargetWords> target_words_;  ///< by variant, as heard last
  std::uint64_t last_sequence_ = 0;
  std::int64_t scale_ups_ = 0, scale_downs_ = 0;
  std::deque<control::Event> events_;
  bool feeding_ = false, closing_ = false, look_pending_ = false, decided_ = false;
  bool acts_ = true;                  ///< the controller may write
  bool spread_ = false;               ///< ticks have their own moment
  Instant next_look_;                 ///< mono; at the latest
  Instant began_ = Instant::never();  ///< mono
  std::int64_t active_replicas_ = 0;  ///< or on the way, as observed last
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  net::Loop::TimerId tick_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId wake_timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live
