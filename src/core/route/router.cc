#include <algorithm>
#include <string_view>

#include "core/route/router_state.h"

namespace tidegate::route {
namespace {

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

// ---- the life of a request ----

Slot Router::State::admit(const Arrived& e) {
  Slot slot = requests.take();
  Request& r = requests[slot];
  r.id = e.id;
  r.sequence = ++sequence;
  r.arrived = now;
  r.deadline = e.deadline.is_never() ? now + options.max_wait : e.deadline;
  r.urgent = r.arrived + (r.deadline - r.arrived) / 4 * 3;
  if (options.due > Duration(0)) r.due = now + options.due;
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
  totals.expected_kv_token_steps_total += r.kv_token_steps();
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
  replicas.finished(slot, output);
  unbind(slot);
  forget(slot);
}

void Router::State::on(const Failed& e) {
  Slot slot = find(e.id);
  if (slot == kNil || requests[slot].phase != Phase::kBound) return;
  bool lost = e.after_first_byte != 0 || requests[slot].first_byte;
  Slot replica = requests[slot].replica_slot;
  unbind(slot);
  if (e.busy != 0) --requests[slot].attempts;  // it may be taken later: its deadline bounds that
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

void Router::State::on(const ReplicaShare& e) {
  Slot replica = replicas.find(e.replica);
  if (replica != kNil) replicas.share(replica, e);
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

}  // namespace tidegate::route
