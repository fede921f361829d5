// What a run before left: engines that still serve, engines forked a moment before it died, and the
// remains.

#include <signal.h>

#include <algorithm>
#include <set>
#include <utility>

#include "live/actuate/process/proc.h"
#include "live/actuate/process/process_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

std::int64_t micro(double scale) { return static_cast<std::int64_t>(scale * 1e6 + 0.5); }

/// The leader of a row's process group, if it lives. The environment decides where it can be read:
/// a number used again after a reboot is somebody else's.
const OwnProcess* leader_of(const ReplicaRecord& row, const std::vector<OwnProcess>& processes) {
  auto it = std::find_if(processes.begin(), processes.end(), [&](const OwnProcess& p) {
    return p.replica == row.id && p.pid == p.group &&
           (row.pid == 0 || (p.pid == row.pid && p.start_ticks == row.start_ticks));
  });
  return it == processes.end() ? nullptr : &*it;
}

}  // namespace

Result<void> check_time_scale(Journal& journal, const std::string& model, double time_scale) {
  auto rows = journal.replicas();
  if (!rows) return fail(rows.error());
  for (const auto& row : *rows) {
    if (row.model != model || row.time_scale_micro == micro(time_scale)) continue;
    if (row.pid == 0 || !process_alive(row.pid, row.start_ticks)) continue;
    return fail("replica " + std::to_string(row.id.value()) + " of " + model + " (process " +
                std::to_string(row.pid) + ") still runs at --time-scale " +
                std::to_string(static_cast<double>(row.time_scale_micro) / 1e6) +
                "; start with that, or stop it first");
  }
  return {};
}

Result<std::int64_t> stop_strays(Journal& journal, const std::string& state_dir,
                                 const std::vector<spec::Model>& models) {
  auto rows = journal.replicas();
  if (!rows) return fail(rows.error());
  std::set<std::pair<std::string, std::string>> known;
  for (const auto& model : models) {
    for (const auto& variant : model.variants) {
      if (std::holds_alternative<spec::ProcessTarget>(variant.target))
        known.emplace(model.name, variant.name);
    }
  }
  std::set<ReplicaId> answered_for, alive;
  for (const auto& row : *rows) {
    if (known.contains({row.model, row.variant})) answered_for.insert(row.id);
  }
  std::set<int> groups;
  for (const auto& process : processes_of(absolute_path(state_dir))) {
    alive.insert(process.replica);
    if (!answered_for.contains(process.replica)) groups.insert(process.group);
  }
  for (int group : groups) {
    net::log(net::Level::kWarn, "stray engine stopped: no variant of the spec answers for it",
             {{"process", std::to_string(group)}});
    ::kill(-group, SIGTERM);
  }
  for (const auto& row : *rows) {
    if (answered_for.contains(row.id) || alive.contains(row.id)) continue;
    if (auto forgotten = journal.state(row.id, ReplicaState::kGone); !forgotten)
      return fail(forgotten.error());
  }
  return static_cast<std::int64_t>(groups.size());
}

void ProcessActuator::adopt() {
  auto rows = world_.journal.replicas();
  if (!rows) {
    return net::log(net::Level::kError, "nothing adopted", {{"error", rows.error().message}});
  }
  std::vector<OwnProcess> processes;
  bool looked = false;
  for (const auto& row : *rows) {
    if (row.model != model_.name || row.variant != variant_.name) continue;
    if (!looked) processes = processes_of(options_.state_dir);
    looked = true;
    adopt_row(row, processes);
  }
}

void ProcessActuator::adopt_row(const ReplicaRecord& row,
                                const std::vector<OwnProcess>& processes) {
  OwnProcess leader;
  if (const OwnProcess* found = leader_of(row, processes)) {
    leader = *found;
  } else if (row.pid > 0 && process_alive(row.pid, row.start_ticks) && !replica_of(row.pid)) {
    leader = {row.pid, row.pid, row.start_ticks, row.id};  // its title overwrote its environment
  }
  auto member = std::find_if(processes.begin(), processes.end(),
                             [&](const OwnProcess& p) { return p.replica == row.id; });
  if (leader.pid == 0 && member == processes.end()) {
    if (auto forgotten = world_.journal.state(row.id, ReplicaState::kGone); !forgotten) {
      net::log(net::Level::kWarn, "row of a dead replica kept",
               {{"error", forgotten.error().message}});
    }
    return;
  }
  auto& r = *replicas_.emplace(row.id, std::make_unique<Replica>()).first->second;
  r.info.id = row.id;
  r.info.variant = row.variant;
  r.info.address = {"127.0.0.1", row.port};
  r.info.adopted = true;
  r.info.ordered_at = row.ordered_at;
  r.lease = DevicePool::Lease::from_text(row.devices);
  r.info.devices = r.lease.devices;
  r.hash = row.command_hash;
  world_.devices.adopt(r.lease);
  world_.ports.adopt(row.port);
  if (leader.pid == 0) {
    // Workers without their leader serve nobody and hold the devices.
    r.info.pid = member->group;
    r.leader_ended = true;
    r.info.detail = "its first process is gone, others of its group were left";
    report(r, ReplicaState::kFailed);
    return kill_group(r);
  }
  r.info.pid = leader.pid;
  r.start_ticks = leader.start_ticks;
  if (row.pid == 0) {
    if (auto noted = world_.journal.started(row.id, leader.pid, leader.start_ticks); !noted) {
      net::log(net::Level::kWarn, "pid not journalled", {{"error", noted.error().message}});
    }
  }
  auto before = from_token<ReplicaState>(row.state).value_or(ReplicaState::kStarting);
  bool serves = before != ReplicaState::kDraining && before != ReplicaState::kFailed;
  r.maybe_asleep = before == ReplicaState::kSleeping;
  report(r, ReplicaState::kStarting);
  watch(r);
  // Requests that it was draining for ended with the gateway that died.
  if (!serves) stop(r);
}

}  // namespace tidegate::live
