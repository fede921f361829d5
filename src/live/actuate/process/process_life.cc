// One replica: from its order to the moment its last process is gone.

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "format/engine_log.h"
#include "live/actuate/process/proc.h"
#include "live/actuate/process/process_actuator.h"
#include "live/actuate/process/spawn.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

constexpr std::int64_t kFastPolls = 16;  // starting at once, each probed every boot_poll
constexpr Duration kSlowestPoll = millis(200);
constexpr Duration kSlowestGonePoll = millis(200);
constexpr std::size_t kMaxHealthBody = 64 << 10;
// Ours, and no business of an engine.
constexpr const char* kAdminToken = "TIDEGATE_ADMIN_TOKEN";

std::string exit_text(int status) {
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void ProcessActuator::start_one() {
  auto lease = world_.devices.lease({variant_.hardware.count, variant_.hardware.fraction});
  if (!lease) return;  // reconcile() asked just now
  auto port = world_.ports.take();
  auto id = world_.journal.next_replica_id();
  if (!port || !id) {
    world_.devices.release(*lease);
    if (port) world_.ports.release(*port);
    return start_failed(port ? id.error().message : port.error().message, true);
  }
  auto& r = *replicas_.emplace(*id, std::make_unique<Replica>()).first->second;
  r.info.id = *id;
  r.info.variant = variant_.name;
  r.info.address = {"127.0.0.1", *port};
  r.info.ordered_at = world_.clock.now();
  if (!device_waits_.empty()) {
    r.info.ordered_at = device_waits_.front();
    device_waits_.erase(device_waits_.begin());
  }
  r.lease = *lease;
  r.info.devices = r.lease.devices;
  r.hash = hash_;
  report(r, ReplicaState::kOrdered);

  auto pid = launch(r);
  if (!pid) {
    r.info.detail = pid.error().message;
    report(r, ReplicaState::kFailed);
    gone(*id);
    return start_failed(pid.error().message, true);
  }
  r.spawned_at = world_.clock.now();
  r.info.pid = *pid;
  auto stat = read_stat(*pid);
  r.start_ticks = stat ? stat->start_ticks : 0;
  fault_site("after-fork");
  if (auto noted = world_.journal.started(*id, *pid, r.start_ticks); !noted) {
    // The environment of the process still tells the next run whose it is.
    net::log(net::Level::kWarn, "pid not journalled", {{"error", noted.error().message}});
  }
  report(r, ReplicaState::kStarting);
  watch(r);
}

/// The intent, then the process.
Result<int> ProcessActuator::launch(Replica& r) {
  ReplicaRecord row;
  row.id = r.info.id;
  row.model = model_.name;
  row.variant = variant_.name;
  row.port = r.info.address.port;
  row.command_hash = r.hash;
  row.devices = r.lease.text();
  row.time_scale_micro = std::llround(world_.clock.scale() * 1e6);
  row.state = token(ReplicaState::kOrdered);
  row.ordered_at = r.info.ordered_at;
  if (auto kept = world_.journal.intent(row); !kept) return fail(kept.error());
  fault_site("after-intent");

  std::set<ReplicaId> live;
  for (const auto& [id, other] : replicas_) live.insert(id);
  logs_.trim(live);
  auto log = logs_.path(r.info.id);
  if (!log) return fail(log.error());

  std::string id = std::to_string(r.info.id.value());
  std::vector<std::pair<std::string, std::string>> words = {
      {"{port}", std::to_string(r.info.address.port)}, {"{replica}", id}};
  SpawnCommand command;
  for (const auto& word : target().command)
    command.words.push_back(replace_all(spec_word(word), words));
  if (options_.engine_env) command.environment = options_.engine_env(model_, variant_, r.info.id);
  for (const auto& [name, value] : target().env) {
    std::erase_if(command.environment,
                  [&known = name](const auto& entry) { return entry.first == known; });
    command.environment.emplace_back(name, replace_all(spec_word(value), words));
  }
  if (!r.lease.devices.empty()) {
    command.environment.emplace_back("CUDA_VISIBLE_DEVICES", r.lease.visible());
    // The driver counts by PCI bus; CUDA, left alone, by speed.
    if (!target().env.contains("CUDA_DEVICE_ORDER")) {
      command.environment.emplace_back("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    }
  }
  command.environment.emplace_back(kReplicaIdVariable, id);
  command.environment.emplace_back(kStateDirVariable, options_.state_dir);
  command.without = model_.auth.client_keys_env;
  command.without.emplace_back(kAdminToken);
  command.log_path = *log;
  return spawn(command);
}

/// From here on its end and its health are seen, and its start has a limit.
void ProcessActuator::watch(Replica& r) {
  ReplicaId id = r.info.id;
  auto watched = world_.loop.watch_process(r.info.pid, guarded([this, id] { ended(id); }));
  if (!watched) {  // ended between two looks; a pid of ours that is gone is nobody else's yet
    world_.loop.defer(guarded([this, id] { ended(id); }));
    return;
  }
  r.deadline = world_.loop.after(world_.clock.to_wall(target().start_timeout), [this, id] {
    Replica* late = find(id);
    if (late == nullptr) return;
    late->deadline = net::Loop::TimerId::kNone;
    std::string detail = "not ready within " + std::to_string(target().start_timeout / seconds(1)) +
                         " s: " + late->info.detail;
    failures_ = std::max(failures_, 2);  // a start that took this long is a loop already
    failed(*late, detail);
  });
  probe_in(r, Duration(0));
}

void ProcessActuator::probe_in(Replica& r, Duration wall) {
  world_.loop.cancel(r.probe_timer);
  r.probe_timer = world_.loop.after(wall, [this, id = r.info.id] {
    if (Replica* due = find(id)) due->probe_timer = net::Loop::TimerId::kNone;
    probe(id);
  });
}

void ProcessActuator::probe(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr || !r->lives() || r->probe_call != net::HttpClient::CallId::kNone) return;
  net::ClientRequest request;
  request.address = r->info.address;
  request.path = target().health_path;
  request.connect_timeout = options_.probe_timeout;
  request.first_byte_timeout = options_.probe_timeout;
  request.idle_timeout = options_.probe_timeout;
  request.max_response_bytes = kMaxHealthBody;
  r->probe_call = world_.client.fetch(
      std::move(request), guarded([this, id](Result<net::Response> answer) {
        if (!answer) return probed(id, answer.error().message);
        probed(id,
               answer->status == 200 ? "" : "health answered " + std::to_string(answer->status));
      }));
}

void ProcessActuator::probed(ReplicaId id, const std::string& problem) {
  Replica* r = find(id);
  if (r == nullptr) return;
  r->probe_call = net::HttpClient::CallId::kNone;
  if (!r->lives()) return;
  if (problem.empty()) {
    r->probes_failed = 0;
    r->info.detail.clear();
    if (r->booting() && r->maybe_asleep) return ask_whether_asleep(id);
    if (r->booting()) became_ready(*r);
    return probe_in(*r, options_.probe_period);
  }
  r->info.detail = problem;
  if (!r->booting()) {
    if (++r->probes_failed < options_.probe_failures) return probe_in(*r, options_.probe_period);
    return failed(
        *r, "health failed " + std::to_string(r->probes_failed) + " times in a row: " + problem);
  }
  std::int64_t starting = std::count_if(replicas_.begin(), replicas_.end(),
                                        [](const auto& entry) { return entry.second->booting(); });
  Duration wait = options_.boot_poll * ((starting + kFastPolls - 1) / kFastPolls);
  probe_in(*r, std::min(wait, std::max(kSlowestPoll, options_.boot_poll)));
}

void ProcessActuator::became_ready(Replica& r) {
  world_.loop.cancel(r.deadline);
  r.deadline = net::Loop::TimerId::kNone;
  r.ready_at = world_.clock.now();
  if (!r.info.adopted) r.info.stages = stages_of(r);
  report(r, ReplicaState::kReady);
  reconcile_after(Duration(0));
}

/// What is seen from outside, and what the engine says in its log.
control::StageTimes ProcessActuator::stages_of(const Replica& r) const {
  const format::EngineStart said =
      format::parse_engine_log(logs_.beginning(r.info.id, format::kMaxStartLog));
  control::StageTimes out;
  out.total = r.ready_at - r.info.ordered_at;
  const Duration known =
      std::max(said.procurement, Duration(0)) + std::max(said.image, Duration(0)) + said.weights;
  out.procurement = r.spawned_at - r.info.ordered_at + std::max(said.procurement, Duration(0));
  out.image = said.image;
  out.compile = said.compile;
  out.graphs = said.graphs;
  const Duration booted = r.ready_at - r.spawned_at;
  if (said.weights < Duration(0) || known > booted) return out;
  out.weights = said.weights;
  out.engine = booted - known;
  return out;
}

/// The group's leader is no more.
void ProcessActuator::ended(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr || r->leader_ended) return;
  r->leader_ended = true;
  int status = 0;
  bool ours = ::waitpid(r->info.pid, &status, WNOHANG) == r->info.pid;
  if (r->lives()) {
    std::string why = ours ? exit_text(status) : "ended";
    if (const std::string said = logs_.last_line(id); !said.empty()) why += "; it said: " + said;
    failed(*r, why);
  }
  await_gone(id, options_.gone_poll);
}

void ProcessActuator::stop(Replica& r) {
  if (!r.lives()) return;
  bool serving = r.info.state == ReplicaState::kReady || (r.falling && !r.busy);
  quiet(r);
  r.stop = Stop::kDraining;
  r.falling = r.waking = false;
  if (r.info.state != ReplicaState::kDraining) report(r, ReplicaState::kDraining);
  if (!serving) return terminate(r);
  r.deadline =
      world_.loop.after(world_.clock.to_wall(target().drain_timeout), [this, id = r.info.id] {
        Replica* late = find(id);
        if (late == nullptr) return;
        late->deadline = net::Loop::TimerId::kNone;
        terminate(*late);
      });
}

void ProcessActuator::drained(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr) return;
  if (r->stop == Stop::kDraining) terminate(*r);
  if (r->falling && !r->busy) fall_asleep(*r);
}

void ProcessActuator::terminate(Replica& r) {
  world_.loop.cancel(r.deadline);
  r.stop = Stop::kTerminating;
  if (r.info.pid > 0) ::kill(-r.info.pid, SIGTERM);
  r.deadline = world_.loop.after(target().stop_grace, [this, id = r.info.id] {
    Replica* late = find(id);
    if (late == nullptr) return;
    late->deadline = net::Loop::TimerId::kNone;
    net::log(net::Level::kWarn, "replica killed: SIGTERM was not enough",
             {{"model", model_.name}, {"replica", std::to_string(id.value())}});
    kill_group(*late);
  });
  await_gone(r.info.id, options_.gone_poll);
}

void ProcessActuator::kill_group(Replica& r) {
  quiet(r);
  r.stop = Stop::kKilled;
  if (r.info.pid > 0) ::kill(-r.info.pid, SIGKILL);
  await_gone(r.info.id, options_.gone_poll);
}

/// Devices and port are free when no process of the group is left: a worker that outlives its
/// leader still holds the device's memory.
void ProcessActuator::await_gone(ReplicaId id, Duration again) {
  Replica* r = find(id);
  if (r == nullptr) return;
  world_.loop.cancel(r->gone_timer);
  r->gone_timer = world_.loop.after(again, [this, id, again] {
    Replica* left = find(id);
    if (left == nullptr) return;
    left->gone_timer = net::Loop::TimerId::kNone;
    if (!left->leader_ended && !process_alive(left->info.pid, left->start_ticks)) {
      ended(id);  // also where no pidfd could be had
      return;
    }
    if (left->leader_ended && !group_alive(left->info.pid)) return gone(id);
    await_gone(id, std::min(again * 2, kSlowestGonePoll));
  });
}

void ProcessActuator::gone(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr) return;
  quiet(*r);
  if (!r->lent) world_.devices.release(r->lease);
  world_.ports.release(r->info.address.port);
  report(*r, ReplicaState::kGone);
  replicas_.erase(id);
  reconcile_after(Duration(0));
  finish_shutdown();
}

void ProcessActuator::report(Replica& r, ReplicaState state) {
  r.info.state = state;
  auto note = [this, id = r.info.id, state] {
    if (auto kept = world_.journal.state(id, state); !kept) {
      net::log(net::Level::kWarn, "replica state not journalled",
               {{"error", kept.error().message}});
    }
  };
  // An order's row is its intent, a start's its pid. What ends a replica is on disk before anyone
  // acts on it; readiness may be lost, so traffic does not wait for the disk.
  bool fresh = state == ReplicaState::kOrdered || state == ReplicaState::kStarting;
  bool serves = state == ReplicaState::kReady || state == ReplicaState::kSleeping;
  if (!fresh && !serves) note();
  reporter_.replica(r.info);
  if (!serves) return;
  reporter_.tell(guarded([this, note, id = r.info.id, state] {
    if (Replica* now = find(id); now != nullptr && now->info.state == state) note();
  }));
}

void ProcessActuator::quiet(Replica& r) {
  for (auto* timer : {&r.probe_timer, &r.deadline, &r.gone_timer}) {
    world_.loop.cancel(*timer);
    *timer = net::Loop::TimerId::kNone;
  }
  world_.client.cancel(std::exchange(r.probe_call, net::HttpClient::CallId::kNone));
  r.talk.reset();
  r.busy = false;
}

ProcessActuator::Replica* ProcessActuator::find(ReplicaId id) {
  auto it = replicas_.find(id);
  return it == replicas_.end() ? nullptr : it->second.get();
}

}  // namespace tidegate::live
