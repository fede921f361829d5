// Sleep and wake-up by vLLM's own routes (live/actuate/engine/engine_talk.h).

#include <algorithm>

#include "live/actuate/process/process_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

constexpr Duration kSleepRetry = seconds(300);  // world; after an engine refused to sleep
constexpr Duration kWakeRetry = seconds(30);    // world; where its device is taken

}  // namespace

void ProcessActuator::sleep(ReplicaId id, int level) {
  Replica* r = find(id);
  if (r == nullptr || !r->lives() || r->info.state != ReplicaState::kReady) return;
  if (world_.clock.now() < next_sleep_) return;
  r->sleep_level = level;
  r->falling = true;
  report(*r, ReplicaState::kDraining);
  r->deadline = world_.loop.after(world_.clock.to_wall(target().drain_timeout), [this, id] {
    Replica* late = find(id);
    if (late == nullptr) return;
    late->deadline = net::Loop::TimerId::kNone;
    if (late->falling && !late->busy) fall_asleep(*late);
  });
}

/// It holds nothing any more, or has had its time.
void ProcessActuator::fall_asleep(Replica& r) {
  const ReplicaId id = r.info.id;
  world_.loop.cancel(r.deadline);
  r.deadline = net::Loop::TimerId::kNone;
  r.busy = true;
  r.talk = EngineTalk::sleep(
      world_.client, r.info.address, r.sleep_level, [this, id](const std::string& problem) {
        Replica* slept = find(id);
        if (slept == nullptr) return;
        slept->busy = slept->falling = false;
        slept->info.detail = problem;
        if (problem.empty()) return sleeps(*slept);
        net::log(net::Level::kWarn, "replica did not go to sleep",
                 {{"replica", std::to_string(id.value())}, {"error", problem}});
        next_sleep_ = world_.clock.now() + kSleepRetry;
        slept->info.stages = {};  // it serves again, and that is no start
        report(*slept, ReplicaState::kReady);
      });
}

void ProcessActuator::sleeps(Replica& r) {
  if (!spec::holds_device(variant_.warm_pool) && !r.lent) {
    world_.devices.release(r.lease);
    r.lent = true;
  }
  report(r, ReplicaState::kSleeping);
}

bool ProcessActuator::has_devices(Replica& r) {
  if (r.lent) r.lent = !world_.devices.take_back(r.lease);
  return !r.lent;
}

void ProcessActuator::wake(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr || !r->lives() || r->info.state != ReplicaState::kSleeping) return;
  if (!has_devices(*r)) {
    // It can run on no other device; where there is one, a fresh replica can.
    if (world_.devices.can_lease({variant_.hardware.count, variant_.hardware.fraction})) {
      return failed(*r, "others run on its device " + r->lease.text());
    }
    std::int64_t awake = std::count_if(replicas_.begin(), replicas_.end(), [](const auto& entry) {
      return entry.second->lives() && !entry.second->asleep();
    });
    return capacity_failed(awake, kWakeRetry, "no free device to wake a replica on");
  }
  r->busy = r->waking = true;
  r->told_to_wake = world_.clock.now();
  report(*r, ReplicaState::kStarting);
  r->talk = EngineTalk::wake(world_.client, r->info.address, r->sleep_level,
                             [this, id](const std::string& problem) {
                               Replica* woken = find(id);
                               if (woken == nullptr) return;
                               woken->busy = woken->waking = false;
                               // Perhaps without weights: not to be routed to.
                               if (!problem.empty())
                                 return failed(*woken, "wake-up failed: " + problem);
                               woken->ready_at = world_.clock.now();
                               woken->info.stages = {};
                               woken->info.stages.from = control::StartFrom::kSleeping;
                               woken->info.stages.engine = woken->info.stages.total =
                                   woken->ready_at - woken->told_to_wake;
                               report(*woken, ReplicaState::kReady);
                             });
}

/// An adopted engine that slept: health says 200 in both states.
void ProcessActuator::ask_whether_asleep(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr) return;
  r->talk = EngineTalk::ask_whether_asleep(world_.client, r->info.address, options_.probe_timeout,
                                           [this, id](const Result<bool>& says) {
                                             Replica* asked = find(id);
                                             if (asked == nullptr || !asked->lives()) return;
                                             asked->maybe_asleep = false;
                                             probe_in(*asked, options_.probe_period);
                                             if (!says || !*says) return became_ready(*asked);
                                             world_.loop.cancel(asked->deadline);
                                             asked->deadline = net::Loop::TimerId::kNone;
                                             sleeps(*asked);
                                           });
}

}  // namespace tidegate::live
