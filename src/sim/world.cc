#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/route/options.h"
#include "sim/world_state.h"

namespace tidegate::sim {
namespace {

/// Bytes a prompt holds at the gateway: as `load` would send it.
constexpr std::int64_t kBytesPerToken = 4, kBytesAround = 256;

/// FNV-1a; 0 is kept for "no tenant".
std::uint64_t tenant_hash(const std::string& name) {
  if (name.empty()) return 0;
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash == 0 ? 1 : hash;
}

workload::Ending ending_of(route::Outcome outcome) {
  switch (outcome) {
    case route::Outcome::kCompleted:
      return workload::Ending::kCompleted;
    case route::Outcome::kQueueTimeout:
      return workload::Ending::kTimedOut;
    case route::Outcome::kUpstreamFailed:
    case route::Outcome::kUpstreamLost:
    case route::Outcome::kClientGone:
      return workload::Ending::kLost;
    case route::Outcome::kQueueFull:
    case route::Outcome::kQueueBytesFull:
    case route::Outcome::kDeadlineUnreachable:
    case route::Outcome::kNoReplica:
    case route::Outcome::kShuttingDown:
      return workload::Ending::kRejected;
  }
  return workload::Ending::kLost;
}

/// A plain proxy holds nothing back and keeps no queue.
route::Options router_of(const WorldOptions& options) {
  route::Options out = route::router_options(options.model);
  if (options.front == Front::kProxy) {
    out.max_requests = 0;
    out.due = out.itl = Duration(0);
  }
  return out;
}

std::shared_ptr<Supply> supply_of(const WorldOptions& options) {
  const workload::Faults& faults = options.faults;
  if (options.supply || (faults.pools.empty() && faults.stock_outs.empty())) return options.supply;
  return std::make_shared<Supply>(faults);
}

/// Asleep at the start: what the pool holds at all times. A schedule knows no sleepers.
std::int64_t asleep_at_start(const WorldOptions& options, std::size_t v) {
  const spec::Variant& variant = options.model.variants[v];
  const std::int64_t room = variant.max_replicas.value() - options.initial[v];
  if (options.schedule || room <= 0) return 0;
  return std::min(variant.warm_pool.min_replicas.value(), room);
}

control::Start start_of(const WorldOptions& options) {
  control::Start start;
  for (std::size_t v = 0; v < options.model.variants.size(); ++v) {
    start.targets.push_back({options.model.variants[v].name, Replicas(options.initial[v]),
                             Replicas(asleep_at_start(options, v))});
  }
  return start;
}

}  // namespace

World::State::State(WorldOptions given)
    : options(std::move(given)),
      router(router_of(options)),
      controller(options.model, 0, start_of(options)),
      fleet(options.model, options.seed, supply_of(options), options.faults.start_failure),
      scrape_rng(options.seed, "scrape-loss/" + options.model.name),
      actuation_rng(options.seed, "actuation-failure/" + options.model.name),
      spot_rng(options.seed, "spot/" + options.model.name),
      applied(options.initial) {
  TIDEGATE_CHECK(options.initial.size() == options.model.variants.size());
  Duration& delay = options.faults.scrape_delay;
  delay = std::min(delay, options.scrape_period);
  for (std::size_t v = 0; v < options.initial.size(); ++v) {
    fleet.adopt(v, options.initial[v], asleep_at_start(options, v), changes);
  }
  settle();
  queue.push(now, {Kind::kTick});
  plan_schedule();
  plan_faults();
  // Halfway between two ticks: as old as a page of a random phase is on average.
  queue.push(now + options.scrape_period / 2, {Kind::kScrape});
}

// ---- clockwork ----

Instant World::State::next() const {
  Instant first = wakes.empty() ? Instant::never() : machines[wakes.top()]->wake;
  first = std::min({first, fleet.next_event(), queue.next()});
  return std::min({first, router_wake, controller_wake});
}

void World::State::step(Instant at) {
  TIDEGATE_CHECK(at >= now);
  now = at;
  if (!wakes.empty() && machines[wakes.top()]->wake <= at) {
    run_machine(wakes.top());
  } else if (fleet.next_event() <= at) {
    fleet.advance(at, changes);
    tell_blocked();
  } else if (queue.next() <= at) {
    happen(queue.pop());
  } else if (router_wake <= at) {
    say(route::Tick{});
  } else {
    control_event(control::Tick{});
  }
  settle();
}

void World::State::run_until(Instant to) {
  for (Instant at = next(); at <= to && !at.is_never(); at = next()) step(at);
  now = std::max(now, to);
}

void World::State::happen(Due due) {
  switch (due.kind) {
    case Kind::kTick:
      queue.push(now + options.tick, {Kind::kTick});
      look();
      if (options.recorder != nullptr) sample();
      return;
    case Kind::kLook:
      look_pending = false;
      return look();
    case Kind::kScrape:
    case Kind::kPages:
    case Kind::kApply:
    case Kind::kSchedule:
      return page_or_order(due);
    case Kind::kReclaim:
      return reclaim(options.faults.reclaims[due.what]);
    case Kind::kSpot:
      return spot_taken(ReplicaId(due.what));
    case Kind::kLose:
      return lose(ReplicaId(due.what));
    case Kind::kSlow:
      return slow_down(due.what);
    case Kind::kSlowEnd:
      return set_pace(due.what, 1);
  }
}

void World::State::page_or_order(Due due) {
  if (due.kind == Kind::kScrape) {
    queue.push(now + options.scrape_period, {Kind::kScrape});
    queue.push(now + options.faults.scrape_delay, {Kind::kPages});
    scrape();
  } else if (due.kind == Kind::kPages) {
    pages_arrive();
  } else if (due.kind == Kind::kApply) {
    control::Action order = std::move(orders.front());
    orders.pop_front();
    carry_out(order);
  } else {
    const ScheduleStep& step = (*options.schedule)[schedule_next++];
    plan_schedule();
    apply({options.model.variants[step.variant].name, Replicas(step.replicas), step.victims});
  }
}

/// What one thing led to, in the order it happened: all changes are told before the controller
/// acts on the first, so that what it orders never overtakes them. Replicas that hold nothing go
/// when it has heard.
void World::State::settle() {
  for (;;) {
    if (!changes.empty()) {
      pending_changes.insert(pending_changes.end(), changes.begin(), changes.end());
      changes.clear();
    }
    if (!pending_changes.empty()) {
      Change change = pending_changes.front();
      pending_changes.pop_front();
      on_change(change);
    } else if (!pending_control.empty()) {
      control::Event event = std::move(pending_control.front());
      pending_control.pop_front();
      control_event(event);
    } else if (!pending_drained.empty()) {
      ReplicaId id = pending_drained.front();
      pending_drained.pop_front();
      fleet.drained(id, now, changes);
    } else {
      return;
    }
  }
}

// ---- requests ----

std::uint32_t World::State::take_slot() {
  if (free_slots.empty()) {
    TIDEGATE_CHECK(open.size() <= kSlotMask);
    open.emplace_back();
    return static_cast<std::uint32_t>(open.size() - 1);
  }
  std::uint32_t slot = free_slots.back();
  free_slots.pop_back();
  return slot;
}

Open& World::State::open_of(RequestId id) { return open[id.value() & kSlotMask]; }

void World::State::arrive(const workload::TraceRequest& request) {
  std::uint32_t slot = take_slot();
  Open& o = open[slot];
  o.id = RequestId(++last_request << kSlotBits | slot);
  o.arrived = now;
  o.prompt = request.prompt.value();
  o.output = request.output.value();
  o.cached = 0;
  o.live = true;
  o.served = false;
  o.dispatched = Instant::never();
  o.priority = request.priority;
  o.waits = true;
  o.prefix.clear();
  if (request.prefix_block_tokens > 0) {
    // Only full blocks of the prompt can be cached.
    auto full = static_cast<std::size_t>(o.prompt / request.prefix_block_tokens);
    o.prefix.assign(request.prefix.begin(),
                    request.prefix.begin() +
                        static_cast<std::ptrdiff_t>(std::min(full, request.prefix.size())));
  }
  ++in_flight;
  ++waiting;
  auto& event = std::get<route::Arrived>(arrived_event);
  event.id = o.id;
  event.prompt = request.prompt;
  event.max_output = options.output_limit == OutputLimit::kExact ? request.output : Tokens(0);
  event.bytes = o.prompt * kBytesPerToken + kBytesAround;
  event.priority = request.priority;
  event.tenant = tenant_hash(request.tenant);
  event.adapter = request.adapter;
  event.prefix = o.prefix;
  say(arrived_event);
  if (route_actions.empty() && active_replicas == 0 && !look_pending && !options.schedule) {
    // It waits and nothing runs: looked at without waiting for the tick, as in production.
    look_pending = true;
    queue.push(now, {Kind::kLook});
  }
  totals.queue_peak = std::max(totals.queue_peak, waiting);
  settle();
}

void World::State::say(const route::Event& event) {
  route_actions.clear();
  router.handle(event, now, route_actions);
  for (const route::Action& action : route_actions) perform(action);
  router_wake = router.next_wake();
}

void World::State::perform(const route::Action& action) {
  if (const auto* d = std::get_if<route::Dispatch>(&action)) return dispatch(*d);
  if (const auto* answer = std::get_if<route::Answer>(&action)) {
    return end(open_of(answer->id), ending_of(answer->outcome));
  }
  if (const auto* drained = std::get_if<route::Drained>(&action)) {
    pending_drained.push_back(drained->replica);
  }
}

void World::State::dispatch(const route::Dispatch& action) {
  Open& o = open_of(action.id);
  o.waits = false;
  --waiting;
  o.dispatched = now;
  o.machine = static_cast<std::size_t>(action.replica.value() - 1);
  Machine& machine = *machines[o.machine];
  hold(machine, 1);
  machine.engine->submit({.id = o.id,
                          .prompt = Tokens(o.prompt),
                          .output = Tokens(o.output),
                          .priority = o.priority,
                          .prefix = o.prefix},
                         now);
  rewake(o.machine);
}

void World::State::deliver(const engine::EngineEvent& event) {
  Open& o = open_of(event.id);
  switch (event.kind) {
    case engine::EventKind::kScheduled:
      o.cached = event.cached_tokens;
      return;
    case engine::EventKind::kFirstToken:
      o.first = event.at;
      o.served = true;
      return say(route::FirstByte{event.id});
    case engine::EventKind::kFinished:
    case engine::EventKind::kRejected: {
      bool served = event.kind == engine::EventKind::kFinished;
      route::Finished finished{event.id, Tokens(o.prompt), Tokens(o.cached), Tokens(o.output)};
      if (!served) finished = {event.id, Tokens(0), Tokens(0), Tokens(0)};
      totals.too_long += served ? 0 : 1;
      hold(*machines[o.machine], -1);
      end(o, served ? workload::Ending::kCompleted : workload::Ending::kRejected);
      return say(finished);
    }
  }
}

void World::State::end(Open& o, workload::Ending ending) {
  workload::Served served{.ending = ending};
  if (ending == workload::Ending::kCompleted) {
    served.ttft = o.first - o.arrived;
    served.e2e = now - o.arrived;
    served.output = Tokens(o.output);
    totals.output_tokens += o.output;
    const Duration window = options.model.scaling.window;
    recent_ttft.add(to_seconds(served.ttft), now, window);
    if (o.output > 1) {
      double gaps = static_cast<double>(o.output - 1);
      recent_itl.add(to_seconds(served.e2e - served.ttft) / gaps, now, window);
    }
  }
  totals.score.add(options.model.slo, served);
  if (options.recorder != nullptr) record(o, ending, workload::met(options.model.slo, served));
  if (o.waits) --waiting;
  o.live = false;
  --in_flight;
  free_slots.push_back(static_cast<std::uint32_t>(o.id.value() & kSlotMask));
}

// ---- the public face ----

World::World(WorldOptions options) : state_(std::make_unique<State>(std::move(options))) {}
World::~World() = default;
World::World(World&&) noexcept = default;
World& World::operator=(World&&) noexcept = default;

void World::offer(const workload::TraceRequest& request) {
  state_->run_until(std::max(state_->now, Instant::from_nanos(0) + request.at));
  state_->arrive(request);
}

void World::drain() {
  while (state_->in_flight > 0) state_->step(state_->next());
}

void World::finish(Instant end) {
  state_->run_until(end);
  state_->fleet.bill().settle(end);
}

Instant World::next() const { return state_->next(); }
void World::run_until(Instant to) { state_->run_until(to); }
Instant World::now() const { return state_->now; }
std::int64_t World::in_flight() const { return state_->in_flight; }
const Schedule& World::realised() const { return state_->realised; }
control::View World::view() const { return state_->controller.view(); }

Totals World::totals() const {
  Totals out = state_->totals;
  const Bill& bill = state_->fleet.bill();
  out.cold_starts = state_->fleet.cold_starts();
  out.wakes = state_->fleet.wakes();
  out.sleeper_hours = bill.sleeper_hours();
  for (const spec::Variant& variant : state_->options.model.variants) {
    out.warm_pool = out.warm_pool || variant.warm_pool.max_replicas > Replicas(0);
  }
  out.replicas_peak = bill.peak();
  out.gpu_hours = bill.gpu_hours();
  out.replica_hours = bill.replica_hours();
  out.cost_dollars = bill.cost_dollars();
  double hours = to_seconds(state_->now - Instant()) / 3600;
  out.replicas_mean = hours > 0 ? out.replica_hours / hours : 0;
  return out;
}

}  // namespace tidegate::sim
