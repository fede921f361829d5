#include "core/route/router.h"

#include <algorithm>
#include <string_view>

#include "core/route/drain_rate.h"
#include "core/route/fair_queue.h"
#include "core/route/output_estimate.h"
#include "core/route/replica_set.h"

namespace tidegate::route {
namespace {

constexpr Duration kRetryAfterLeast = seconds(1);
constexpr Duration kRetryAfterMost = seconds(60);
constexpr std::int64_t kMostTokens = 1LL << 40;  ///< of one request; beyond is nonsense

/// FNV-1a; 0 is kept for "no adapter".
std::uint64_t hash_of(std::string_view text) {
  if (text.empty()) return 0;
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash == 0 ? 1 : hash;
}

std::int64_t tokens_of(Tokens tokens) {
  return std::clamp<std::int64_t>(tokens.value(), 0, kMostTokens);
}

OutputEstimate::Ask ask_of(const Request& r) {
  return {.tenant = r.tenant_hash, .prompt = r.prompt, .max_output = r.max_output};
}

}  // namespace

struct Router::State {
  explicit State(Options given) : options(std::move(given)) {
    queue.set_weights(options.class_weights);
  }

  void on(const Arrived& e);
  void on(const FirstByte& e);
  void on(const Finished& e);
  void on(const Failed& e);
  void on(const Gone& e);
  void on(const ReplicaUp& e) { replicas.up(e); }
  void on(const ReplicaDraining& e);
  void on(const ReplicaDown& e);
  void on(const ReplicaProgress& e);
  void on(const Scraped& e);
  void on(const Tick&) {}
  void on(const Shutdown& e);

  Slot find(RequestId id) const { return index.find(id.value()); }
  Slot admit(const Arrived& e);
  void enqueue(Slot slot);
  bool over_limits(std::int64_t requests_before, std::int64_t bytes_before) const;
  void displace(Slot newcomer, std::int64_t requests_before, std::int64_t bytes_before);
  bool unreachable(Slot slot, Duration& wait) const;
  void dispatch(Slot slot, Slot replica);
  void place_again(Slot slot);
  void unbind(Slot slot);
  void drop_waiting(Slot slot, Outcome outcome);
  void answer(Slot slot, Outcome outcome, Duration retry_after);
  void forget(Slot slot);
  Duration retry_after() const;
  void pump();
  void expire(Instant before);
  void turn_away();

  Options options;
  Slab<Request> requests;
  IdIndex index;
  FairQueue queue{requests};
  ReplicaSet replicas{requests};
  OutputEstimate outputs;
  DrainRate drain;
  signal::Demand totals;
  std::uint64_t sequence = 0;
  bool accepting = true;
  bool keep_queue = true;
  Instant now;
  std::vector<Action>* actions = nullptr;
};

// ---- the life of a request ----

Slot Router::State::admit(const Arrived& e) {
  Slot slot = requests.take();
  Request& r = requests[slot];
  r.id = e.id;
  r.sequence = ++sequence;
  r.arrived = now;
  r.deadline = e.deadline.is_never() ? now + options.max_wait : e.deadline;
  r.prompt = tokens_of(e.prompt);
  r.max_output = tokens_of(e.max_output);
  r.tenant_hash = e.tenant;
  r.expected_output = outputs.expect(ask_of(r));
  r.bytes = std::clamp<std::int64_t>(e.bytes, 0, kMostTokens);
  r.adapter_hash = hash_of(e.adapter);
  r.priority = queue.class_of(e.priority);
  index.insert(e.id.value(), slot);
  ++totals.arrived_total;
  totals.prompt_tokens_total += r.prompt;
  totals.expected_output_tokens_total += r.expected_output;
  return slot;
}

void Router::State::on(const Arrived& e) {
  if (!e.id || find(e.id) != kNil) return;
  Slot slot = admit(e);
  if (!accepting) return answer(slot, Outcome::kShuttingDown, retry_after());
  Duration wait{0};
  if (requests[slot].deadline <= now || unreachable(slot, wait)) {
    Duration late = wait - (requests[slot].deadline - now);
    return answer(slot, Outcome::kDeadlineUnreachable,
                  std::clamp(late, kRetryAfterLeast, kRetryAfterMost));
  }
  if (queue.requests() == 0) {
    Slot replica = replicas.pick(slot);
    if (replica != kNil) return dispatch(slot, replica);
  }
  std::int64_t requests_before = queue.requests(), bytes_before = queue.bytes();
  enqueue(slot);
  pump();
  displace(slot, requests_before, bytes_before);
}

void Router::State::enqueue(Slot slot) {
  requests[slot].phase = Phase::kWaiting;
  queue.push(slot);
}

/// Over a bound, and not only because a reload lowered it under what waited already.
bool Router::State::over_limits(std::int64_t requests_before, std::int64_t bytes_before) const {
  return queue.requests() > std::max(options.max_requests, requests_before) ||
         queue.bytes() > std::max(options.max_bytes, bytes_before);
}

/// A full queue drops what is worth least: the newest of the least urgent class, the newcomer
/// included.
void Router::State::displace(Slot newcomer, std::int64_t requests_before,
                             std::int64_t bytes_before) {
  while (requests[newcomer].phase == Phase::kWaiting &&
         over_limits(requests_before, bytes_before)) {
    bool by_bytes = queue.requests() <= std::max(options.max_requests, requests_before);
    Slot victim = queue.least_valuable();
    const Request& r = requests[newcomer];
    // Do not throw others out for one that would still not find room.
    if (queue.bytes() - queue.displaceable_bytes(r.priority) >
        std::max(options.max_bytes, bytes_before)) {
      victim = newcomer;
    }
    drop_waiting(victim, by_bytes ? Outcome::kQueueBytesFull : Outcome::kQueueFull);
    if (victim == newcomer) return;
  }
}

/// Whether the wait predicted for a newcomer is longer than it may wait.
bool Router::State::unreachable(Slot slot, Duration& wait) const {
  if (queue.requests() == 0 || !drain.known(replicas.slots())) return false;
  wait = drain.time_for(queue.cost_ahead(requests[slot]), replicas.slots());
  return wait > requests[slot].deadline - now;
}

void Router::State::dispatch(Slot slot, Slot replica) {
  Request& r = requests[slot];
  r.phase = Phase::kBound;
  r.first_byte = false;
  ++r.attempts;
  replicas.bind(slot, replica);
  actions->push_back(Dispatch{r.id, r.replica});
}

/// Gives the credit back; says so if that was the last a draining replica held.
void Router::State::unbind(Slot slot) {
  Slot replica = requests[slot].replica_slot;
  replicas.release(slot);
  if (replica != kNil && replicas.draining_and_empty(replica)) {
    actions->push_back(Drained{replicas.id(replica)});
  }
}

void Router::State::place_again(Slot slot) {
  Request& r = requests[slot];
  if (r.attempts >= kMaxAttempts) return answer(slot, Outcome::kUpstreamFailed, retry_after());
  r.phase = Phase::kWaiting;
  queue.push_retry(slot);
}

void Router::State::drop_waiting(Slot slot, Outcome outcome) {
  queue.remove(slot);
  answer(slot, outcome, retry_after());
}

void Router::State::answer(Slot slot, Outcome outcome, Duration retry_after) {
  bool failed = outcome == Outcome::kUpstreamFailed || outcome == Outcome::kUpstreamLost;
  if (!failed) ++totals.rejected_total;
  actions->push_back(Answer{requests[slot].id, outcome, retry_after});
  forget(slot);
}

void Router::State::forget(Slot slot) {
  index.erase(requests[slot].id.value());
  requests.give_back(slot);
}

void Router::State::on(const FirstByte& e) {
  Slot slot = find(e.id);
  if (slot == kNil || requests[slot].phase != Phase::kBound) return;
  replicas.first_byte(slot);
  if (requests[slot].replica_slot != kNil) replicas.succeeded(requests[slot].replica_slot);
}

void Router::State::on(const Finished& e) {
  Slot slot = find(e.id);
  if (slot == kNil || requests[slot].phase != Phase::kBound) return;
  const Request& r = requests[slot];
  std::int64_t output = tokens_of(e.output);
  outputs.learn(ask_of(r), output);
  if (output > 0 && queue.requests() > 0) drain.finished(r.cost());
  if (r.replica_slot == kNil) {
    totals.output_tokens_total += output;
  } else {
    if (!replicas.reports_progress(r.replica_slot)) totals.output_tokens_total += output;
    replicas.succeeded(r.replica_slot);
  }
  ++totals.finished_total;
  unbind(slot);
  forget(slot);
}

void Router::State::on(const Failed& e) {
  Slot slot = find(e.id);
  if (slot == kNil || requests[slot].phase != Phase::kBound) return;
  bool lost = e.after_first_byte != 0 || requests[slot].first_byte;
  Slot replica = requests[slot].replica_slot;
  unbind(slot);
  if (replica != kNil && e.busy != 0) {
    replicas.busy(replica, now);
  } else if (replica != kNil) {
    replicas.failed(replica, now);
  }
  if (lost) return answer(slot, Outcome::kUpstreamLost, Duration(0));
  place_again(slot);
}

void Router::State::on(const Gone& e) {
  Slot slot = find(e.id);
  if (slot == kNil) return;
  if (requests[slot].phase == Phase::kWaiting) {
    queue.remove(slot);
  } else {
    actions->push_back(Cancel{e.id, requests[slot].replica});
    unbind(slot);
  }
  forget(slot);
}

// ---- replicas ----

void Router::State::on(const ReplicaDraining& e) {
  if (replicas.drain(e.replica)) actions->push_back(Drained{e.replica});
}

void Router::State::on(const ReplicaDown& e) {
  Slot replica = replicas.find(e.replica);
  if (replica == kNil) return;
  // Those that streamed already are answered when live reports their sockets; the others go
  // elsewhere.
  for (Slot slot = replicas.held(replica); slot != kNil;) {
    Slot next = requests[slot].next;
    if (!requests[slot].first_byte) {
      replicas.release(slot);
      place_again(slot);
    }
    slot = next;
  }
  replicas.down(e.replica);
}

void Router::State::on(const ReplicaProgress& e) {
  Slot replica = replicas.find(e.replica);
  if (replica == kNil) return;
  totals.output_tokens_total += replicas.progressed(replica, tokens_of(e.output));
}

void Router::State::on(const Scraped& e) {
  Slot replica = replicas.find(e.replica);
  if (replica != kNil) replicas.scraped(replica, e, now);
}

void Router::State::on(const Shutdown& e) {
  accepting = false;
  keep_queue = e.keep_queue != 0;
}

// ---- the queue ----

/// Binds from the head of the queue as long as a replica has credit for it. Nobody overtakes a head
/// that finds no room: a large request would starve.
void Router::State::pump() {
  for (Slot slot; (slot = queue.head()) != kNil;) {
    Slot replica = replicas.pick(slot);
    if (replica == kNil) return;
    queue.serve_head();
    dispatch(slot, replica);
  }
}

void Router::State::expire(Instant before) {
  for (Slot slot; (slot = queue.earliest_deadline()) != kNil && requests[slot].deadline < before;) {
    drop_waiting(slot, Outcome::kQueueTimeout);
  }
}

/// After Shutdown without the queue: what finds no room at once is sent away.
void Router::State::turn_away() {
  if (accepting || keep_queue) return;
  for (Slot slot; (slot = queue.earliest_deadline()) != kNil;) {
    drop_waiting(slot, Outcome::kShuttingDown);
  }
}

/// When the queue will have drained at the measured rate; where nothing is measured, as long again
/// as the oldest has waited.
Duration Router::State::retry_after() const {
  Duration wait{0};
  if (drain.known(replicas.slots())) {
    wait = drain.time_for(queue.cost(), replicas.slots());
  } else if (queue.requests() > 0) {
    wait = now - queue.oldest_arrival();
  }
  return std::clamp(wait, kRetryAfterLeast, kRetryAfterMost);
}

// ---- the public face ----

Router::Router(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::handle(const Event& event, Instant now, std::vector<Action>& actions) {
  State& s = *state_;
  // Time never goes back: a late reader sees the latest time known.
  Duration passed = std::max(now, s.now) - s.now;
  s.now = std::max(now, s.now);
  s.actions = &actions;
  if (s.queue.requests() > 0) s.drain.passed(passed, s.replicas.slots());
  s.replicas.advance(s.now);
  s.expire(s.now);
  std::visit([&s](const auto& e) { s.on(e); }, event);
  s.pump();
  s.expire(s.now +
           nanos(1));  // a deadline of this very instant: room that came free with it still counts
  s.turn_away();
  s.actions = nullptr;
}

void Router::set_options(Options options) {
  state_->options = std::move(options);
  state_->queue.set_weights(state_->options.class_weights);
}

Instant Router::next_wake() const {
  const State& s = *state_;
  Slot first = s.queue.earliest_deadline();
  if (first == kNil) return Instant::never();
  return std::min(s.requests[first].deadline, s.replicas.next_change());
}

signal::Demand Router::demand(Instant now) const {
  const State& s = *state_;
  signal::Demand d = s.totals;
  d.queued_requests = s.queue.requests();
  d.queued_tokens = s.queue.prompt_tokens();
  d.queued_output_tokens = s.queue.expected_output();
  d.queued_bytes = s.queue.bytes();
  d.credit_requests = s.replicas.slots();
  d.withheld_requests = s.replicas.withheld();
  d.dispatched_requests = static_cast<std::int64_t>(s.index.size()) - d.queued_requests;
  if (d.queued_requests > 0) {
    d.oldest_wait = std::max(Duration(0), now - s.queue.oldest_arrival());
  }
  return d;
}

std::int64_t Router::position(RequestId id) const {
  Slot slot = state_->find(id);
  if (slot == kNil || state_->requests[slot].phase != Phase::kWaiting) return -1;
  return state_->queue.position(slot);
}

std::vector<ReplicaView> Router::replicas() const { return state_->replicas.views(); }

}  // namespace tidegate::route
