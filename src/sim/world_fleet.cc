// The part of World that stands where clusters, engines and pages stand: replicas come and go, run,
// are read, and the controller is shown what there is.

#include <algorithm>

#include "core/base/check.h"
#include "core/route/options.h"
#include "sim/world_state.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;

/// The controller is never woken more often than this, as in production.
constexpr Duration kLeastWake = millis(1);
/// Requests a plain proxy gives one replica at most.
constexpr std::int64_t kNoLimit = 1LL << 40;
/// Instant 0 on the calendar: Monday 2024-01-01 00:00 UTC.
constexpr WallTime kBeginning = WallTime::from_unix_nanos(1'704'067'200'000'000'000);

}  // namespace

void World::State::on_change(const Change& change) {
  if (options.recorder != nullptr) options.recorder->replica(now, change);
  switch (change.state) {
    case ReplicaState::kReady:
      bring_up(change);
      break;
    case ReplicaState::kDraining:
      say(route::ReplicaDraining{change.id});
      break;
    case ReplicaState::kSleeping:  // its KV and prefix cache are lost
    case ReplicaState::kGone:
      take_down(change.id);
      break;
    case ReplicaState::kOrdered:
    case ReplicaState::kStarting:
    case ReplicaState::kFailed:
      break;
  }
  // A drain that it did not order would be another's write to the controller; this is a loss.
  const ReplicaState told = change.reclaimed ? ReplicaState::kFailed : change.state;
  pending_control.push_back(
      control::ReplicaChanged{.id = change.id,
                              .variant = options.model.variants[change.variant].name,
                              .state = told,
                              .stages = change.stages,
                              .adopted = change.adopted ? std::uint8_t{1} : std::uint8_t{0}});
}

void World::State::bring_up(const Change& change) {
  auto index = static_cast<std::size_t>(change.id.value() - 1);
  if (machines.size() <= index) machines.resize(index + 1);
  const spec::Variant& variant = options.model.variants[change.variant];
  auto machine = std::make_unique<Machine>();
  machine->id = change.id;
  machine->engine.emplace(engine_options(variant, options.prefix_block_tokens));
  machines[index] = std::move(machine);
  up.insert(std::lower_bound(up.begin(), up.end(), index), index);
  route::ReplicaUp event =
      route::replica_up(options.model, change.variant, change.id, route::profile_size(variant));
  if (options.front == Front::kProxy) {  // it counts requests, and knows nothing else
    event = {.replica = change.id, .variant = event.variant, .max_requests = kNoLimit};
  }
  say(event);
  bool woken = change.stages.from == control::StartFrom::kSleeping;
  if (!woken) draw_life(change.id, change.variant);
}

void World::State::take_down(ReplicaId id) {
  auto index = static_cast<std::size_t>(id.value() - 1);
  if (index >= machines.size() || !machines[index]) return;  // it was not ready
  TIDEGATE_CHECK(machines[index]->held == 0);
  std::int64_t produced = machines[index]->engine->stats().generation_tokens_total;
  say(route::ReplicaProgress{id, Tokens(produced)});
  say(route::ReplicaDown{id});
  forget(index);
}

void World::State::control_event(const control::Event& event) {
  if (options.schedule) return;
  control_actions.clear();
  controller.handle(event, now, control_actions);
  for (const control::Action& action : control_actions) perform(action);
  Instant wake = controller.next_wake();
  controller_wake = wake.is_never() ? wake : std::max(wake, now + kLeastWake);
}

/// Announcements are for people.
void World::State::perform(const control::Action& action) {
  if (const auto* kept = std::get_if<control::Record>(&action)) {
    if (options.recorder != nullptr) options.recorder->decision(kept->decision, kept->repeats);
    return;
  }
  if (std::holds_alternative<control::Announce>(action)) return;
  if (options.faults.actuation_delay > Duration(0)) {
    orders.push_back(action);
    queue.push(now + options.faults.actuation_delay, {Kind::kApply});
  } else {
    carry_out(action);
  }
}

void World::State::carry_out(const control::Action& order) {
  if (const auto* number = std::get_if<control::Apply>(&order)) return apply(*number);
  // A single replica's order that is refused is nobody's news: it is given again.
  if (order_refused()) return;
  if (const auto* wake = std::get_if<control::Wake>(&order)) fleet.wake(wake->id, now, changes);
  if (const auto* sleep = std::get_if<control::Sleep>(&order)) fleet.sleep(sleep->id, now, changes);
}

void World::State::apply(const control::Apply& order) {
  const auto& variants = options.model.variants;
  auto found = std::find_if(variants.begin(), variants.end(),
                            [&](const auto& variant) { return variant.name == order.variant; });
  TIDEGATE_CHECK(found != variants.end());
  auto variant = static_cast<std::size_t>(found - variants.begin());
  if (!options.schedule && order_refused()) {
    pending_control.push_back(control::Applied{order.variant, order.replicas.value(), 0,
                                               "the cluster refused the order"});
    return;
  }
  std::int64_t before = applied[variant], wanted = order.awake().value();
  totals.scale_ups += wanted > before ? 1 : 0;
  totals.scale_downs += wanted < before ? 1 : 0;
  applied[variant] = wanted;
  realised.push_back({now - Instant(), variant, wanted, order.victims});
  pending_control.push_back(control::Applied{order.variant, order.replicas.value(), 1, ""});
  fleet.apply(variant, order, now, changes);
}

// ---- engines ----

struct World::State::WakeOrder {
  std::vector<std::unique_ptr<Machine>>& machines;
  bool less(route::Slot a, route::Slot b) const {
    Instant left = machines[a]->wake, right = machines[b]->wake;
    return left != right ? left < right : a < b;
  }
  route::Slot& place(route::Slot slot) const { return machines[slot]->place; }
};

void World::State::run_machine(std::size_t index) {
  advance_machine(*machines[index]);
  rewake(index);
}

void World::State::advance_machine(Machine& machine) {
  engine_events.clear();
  machine.engine->advance(now, engine_events);
  for (const engine::EngineEvent& event : engine_events) deliver(event);
}

void World::State::rewake(std::size_t index) {
  Machine& machine = *machines[index];
  Instant wake = machine.engine->next_event();
  if (wake == machine.wake) return;
  WakeOrder order{machines};
  bool listed = machine.place != route::kNil;
  machine.wake = wake;
  auto slot = static_cast<route::Slot>(index);
  if (wake.is_never()) {
    if (listed) wakes.remove(order, slot);
  } else if (listed) {
    wakes.update(order, slot);
  } else {
    wakes.push(order, slot);
  }
}

void World::State::forget(std::size_t index) {
  if (machines[index]->place != route::kNil) {
    wakes.remove(WakeOrder{machines}, static_cast<route::Slot>(index));
  }
  machines[index].reset();
  up.erase(std::lower_bound(up.begin(), up.end(), index));
}

/// Books a request more or less at a machine; it is busy while it holds any.
void World::State::hold(Machine& machine, std::int64_t change) {
  if (machine.held == 0) machine.busy_since = now;
  machine.held += change;
  if (machine.held == 0) totals.busy += now - machine.busy_since;
}

// ---- eyes ----

void World::State::scrape() {
  for (std::size_t index : up) {
    Machine& machine = *machines[index];
    run_machine(index);  // its counters are as of now; nothing visible was due before
    engine::Stats stats = machine.engine->stats();
    if (page_lost()) continue;
    const signal::Page& page = options.pages ? options.pages(stats) : page_writer.write(stats);
    machine.read = machine.meter.read(page, now, {});
    machine.output_tokens = stats.generation_tokens_total;
  }
}

void World::State::pages_arrive() {
  using signal::SignalId;
  for (std::size_t index : up) {
    Machine& machine = *machines[index];
    if (!machine.read) continue;
    machine.signals = *machine.read;
    machine.read.reset();
    const signal::ReplicaSignals& page = *machine.signals;
    if (options.front == Front::kProxy) continue;
    say(route::ReplicaProgress{machine.id, Tokens(machine.output_tokens)});
    say(route::Scraped{.replica = machine.id,
                       .running = static_cast<std::int64_t>(page.value(SignalId::kRunningRequests)),
                       .waiting = static_cast<std::int64_t>(page.value(SignalId::kWaitingRequests)),
                       .kv_usage = page.value(SignalId::kKvUsage),
                       .preempted = static_cast<std::int64_t>(page.value(SignalId::kPreemptions))});
  }
}

void World::State::look() {
  if (!options.schedule) observe();
}

void World::State::observe() {
  for (const route::ReplicaView& view : router.replicas()) {
    Machine& machine = *machines[static_cast<std::size_t>(view.replica.value() - 1)];
    machine.in_flight = view.in_flight;
    machine.in_flight_tokens = view.in_flight_tokens;
  }
  sights.clear();
  for (const auto& [id, replica] : fleet.replicas()) {
    control::ReplicaSight sight{.id = id,
                                .variant = static_cast<std::int32_t>(replica.variant),
                                .state = replica.state,
                                .ready_since = replica.ready_at};
    auto index = static_cast<std::size_t>(id.value() - 1);
    if (index < machines.size() && machines[index]) {
      const Machine& machine = *machines[index];
      if (machine.signals) sight.signals = &*machine.signals;
      sight.in_flight = machine.in_flight;
      sight.in_flight_tokens = machine.in_flight_tokens;
    }
    sights.push_back(sight);
  }
  control::GatewaySight gateway{.there = options.front == Front::kGateway,
                                .demand = router.demand(now)};
  gateway.demand.judged_total = totals.score.requests;
  gateway.demand.met_total = totals.score.met;
  auto recent = [&](const workload::RecentQuantile& of, signal::Signal& signal) {
    std::int64_t seen = 0;
    double value = of.quantile(0.99, now, options.model.scaling.window, seen);
    if (seen > 0 && gateway.there)
      signal = {value, now, signal::Source::kGateway, signal::Freshness::kFresh, 1};
  };
  recent(recent_ttft, gateway.ttft_p99_seconds);
  recent(recent_itl, gateway.itl_p99_seconds);
  control::Observed seen = control::observe(options.model, gateway, sights, now,
                                            kBeginning + (now - Instant()), freshness);
  active_replicas = 0;
  for (const auto& variant : seen.observation.variants) {
    active_replicas += variant.fleet.active().value();
  }
  control_event(seen);
}

}  // namespace tidegate::sim
