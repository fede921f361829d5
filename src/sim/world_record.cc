// The part of World that tells a recorder what happens, and follows a schedule where one is given.

#include "sim/world_state.h"

namespace tidegate::sim {

void World::State::plan_schedule() {
  if (!options.schedule || schedule_next >= options.schedule->size()) return;
  queue.push(std::max(now, Instant() + (*options.schedule)[schedule_next].at), {Kind::kSchedule});
}

void World::State::record(const Open& o, workload::Ending ending, bool met) {
  RequestRecord out{.number = static_cast<std::int64_t>(o.id.value() >> kSlotBits),
                    .arrived = o.arrived,
                    .dispatched = o.dispatched,
                    .ended = now,
                    .ending = ending,
                    .met = met,
                    .prompt_tokens = o.prompt,
                    .cached_tokens = o.cached,
                    .priority = o.priority};
  if (o.served) out.first = o.first;
  if (ending == workload::Ending::kCompleted) out.output_tokens = o.output;
  if (!o.dispatched.is_never()) out.replica = ReplicaId(o.machine + 1);
  options.recorder->request(out);
}

void World::State::sample() {
  using signal::SignalId;
  const workload::Score& score = totals.score;
  Sample out{.at = now,
             .arrived_total = static_cast<std::int64_t>(last_request),
             .met_total = score.met,
             .ended_total = score.requests,
             .queued = waiting};
  double kv = 0;
  std::int64_t heard = 0;
  for (std::size_t index : up) {
    const Machine& machine = *machines[index];
    if (!machine.signals) continue;
    ++heard;
    out.engine_waiting +=
        static_cast<std::int64_t>(machine.signals->value(SignalId::kWaitingRequests));
    out.running += static_cast<std::int64_t>(machine.signals->value(SignalId::kRunningRequests));
    kv += machine.signals->value(SignalId::kKvUsage);
  }
  if (heard > 0) out.kv_usage = kv / static_cast<double>(heard);
  std::int64_t seen = 0;
  double ttft = recent_ttft.quantile(0.99, now, options.model.scaling.window, seen);
  if (seen > 0) out.ttft_p99_seconds = ttft;
  signal::Fleet fleet_now;
  for (const auto& [id, replica] : fleet.replicas()) {
    if (Replicas* count = control::count_of(fleet_now, replica.state)) *count += Replicas(1);
  }
  out.ordered = fleet_now.ordered.value();
  out.starting = fleet_now.starting.value();
  out.ready = fleet_now.ready.value();
  out.sleeping = fleet_now.sleeping.value();
  out.draining = fleet_now.draining.value();
  for (std::int64_t n : applied) out.desired += n;
  fleet.bill().settle(now);
  out.cost_dollars = fleet.bill().cost_dollars();
  options.recorder->sample(out);
}

}  // namespace tidegate::sim
