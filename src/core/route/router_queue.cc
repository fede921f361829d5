#include <algorithm>

#include "core/route/router_state.h"

namespace tidegate::route {

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

/// Who has waited too long for its TTFT goes behind the others, or is told at once where it would
/// wait there until its deadline.
void Router::State::sort_out_late() {
  for (Slot slot; (slot = queue.make_late(now)) != kNil;) {
    Duration wait{0};
    if (unreachable(slot, wait)) drop_waiting(slot, Outcome::kDeadlineUnreachable);
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
  s.sort_out_late();
  std::visit([&s](const auto& e) { s.on(e); }, event);
  s.pump();
  s.expire(s.now +
           nanos(1));  // a deadline of this very instant: room that came free with it still counts
  s.turn_away();
  s.actions = nullptr;
}

void Router::set_options(Options options) {
  state_->options = std::move(options);
  state_->heed_options();
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
  d.queued_kv_token_steps = s.queue.kv_token_steps();
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
