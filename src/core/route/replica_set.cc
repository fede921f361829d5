#include "core/route/replica_set.h"

#include <algorithm>
#include <utility>

namespace tidegate::route {

namespace {
StepCost cost_of(const ReplicaUp& event) {
  auto seconds_of = [](std::int64_t fs) { return static_cast<double>(fs) / 1e15; };
  return {.step = seconds_of(event.c0_fs),
          .prefill_token = seconds_of(event.c1_fs),
          .sequence = seconds_of(event.c2_fs),
          .context_token = seconds_of(event.c3_fs),
          .pair = seconds_of(event.c4_fs)};
}
}  // namespace

struct ReplicaSet::LoadOrder {
  Slab<Replica>& replicas;
  bool less(Slot a, Slot b) const {
    const Replica &x = replicas[a], &y = replicas[b];
    if (x.load != y.load) return x.load < y.load;
    if (x.in_flight != y.in_flight) return x.in_flight < y.in_flight;
    if (x.picked != y.picked) return x.picked < y.picked;
    return x.id < y.id;
  }
  Slot& place(Slot slot) { return replicas[slot].place; }
};

struct ReplicaSet::PacedOrder {
  Slab<Replica>& replicas;
  bool less(Slot a, Slot b) const {
    const Replica &x = replicas[a], &y = replicas[b];
    const Instant first = x.pace.paid_at(), second = y.pace.paid_at();
    return first != second ? first < second : x.id < y.id;
  }
  Slot& place(Slot slot) { return replicas[slot].paced_place; }
};

std::int64_t ReplicaSet::Replica::limit() const {
  if (share == 0) return 0;
  return std::max<std::int64_t>(
      1, std::min({max_requests - foreign, cap, credit.limit(max_requests), share}));
}

void ReplicaSet::pace(Duration itl) {
  law_.bound(itl);
  for (Slot slot : all_) {
    repace(slot);
    changed(slot);
  }
  if (!all_.empty()) wants(now_);
}

void ReplicaSet::up(const ReplicaUp& event) {
  Slot slot = find(event.replica);
  if (slot == kNil) {
    slot = replicas_.take();
    replicas_[slot].id = event.replica;
    index_.insert(event.replica.value(), slot);
    all_.push_back(slot);
    if (event.shared != 0) replicas_[slot].share = 0;
  }
  Replica& r = replicas_[slot];
  r.variant = event.variant;
  if (r.draining) r.credit = {};  // it slept, or was started anew
  r.draining = false;
  r.max_requests = std::max<std::int64_t>(1, event.max_requests);
  r.kv_tokens = std::clamp<std::int64_t>(event.kv_tokens, 0, 1LL << 40);
  r.max_prefill = std::max<std::int64_t>(0, event.max_prefill_tokens);
  r.closed_until = r.restore_at = Instant::never();
  r.cap = kNoCap;
  r.failures = 0;
  if (r.paced_place != kNil) paced_.remove(PacedOrder{replicas_}, slot);
  r.pace.up(cost_of(event));
  r.pace.part(r.prefill_share);
  changed(slot);
}

void ReplicaSet::share(Slot slot, const ReplicaShare& event) {
  Replica& r = replicas_[slot];
  auto or_all = [](std::int64_t n) { return n < 0 ? kNoCap : n; };
  r.share = or_all(event.max_requests);
  r.kv_share = or_all(event.kv_tokens);
  r.prefill_share =
      event.prefill_mille < 0
          ? 1
          : static_cast<double>(std::clamp<std::int64_t>(event.prefill_mille, 1, 1000)) / 1000;
  r.pace.part(r.prefill_share);
  changed(slot);
}

bool ReplicaSet::drain(ReplicaId id) {
  Slot slot = find(id);
  if (slot == kNil || replicas_[slot].draining) return false;
  replicas_[slot].draining = true;
  changed(slot);
  return replicas_[slot].in_flight == 0;
}

void ReplicaSet::down(ReplicaId id) {
  Slot slot = find(id);
  if (slot == kNil) return;
  Replica& r = replicas_[slot];
  while (!r.held.empty()) {
    Slot request = r.held.head;
    r.held.remove(requests_, request);
    requests_[request].replica_slot = kNil;
    --bound_;
  }
  r.draining = true;
  if (r.paced_place != kNil) paced_.remove(PacedOrder{replicas_}, slot);
  changed(slot);
  all_.erase(std::find(all_.begin(), all_.end(), slot));
  std::erase(freed_, slot);
  index_.erase(id.value());
  replicas_.give_back(slot);
}

bool ReplicaSet::draining_and_empty(Slot replica) const {
  return replicas_[replica].draining && replicas_[replica].in_flight == 0;
}

/// Its load, place and credit after any change to it.
void ReplicaSet::changed(Slot slot) {
  Replica& r = replicas_[slot];
  auto part = r.kv_tokens > 0 ? r.tokens : r.in_flight;
  auto whole = r.kv_tokens > 0 ? r.kv_tokens : r.max_requests;
  // A slow one is as full with less.
  r.load = static_cast<std::uint64_t>(static_cast<double>(std::max<std::int64_t>(part, 0)) *
                                      r.pace.ratio() * static_cast<double>(kFullLoad) /
                                      static_cast<double>(whole));
  LoadOrder order{replicas_};
  if (!r.open()) {
    if (r.place != kNil) open_.remove(order, slot);
  } else if (r.place == kNil) {
    open_.push(order, slot);
  } else {
    open_.update(order, slot);
  }
  std::int64_t counts = r.draining || !r.closed_until.is_never() ? 0 : r.limit();
  slots_ += counts - std::exchange(r.counted, counts);
  std::int64_t held_back = r.draining ? 0 : r.withheld();
  withheld_ += held_back - std::exchange(r.held_back, held_back);
  if (blocked_ == 0 || (!freed_.empty() && freed_.back() == slot)) return;
  if (freed_.size() < 64) {
    freed_.push_back(slot);
  } else {
    blocked_ = 0;  // so much has changed that a full look is as cheap
  }
}

bool ReplicaSet::fits(const Replica& r, const Request& q) const {
  if (!(q.urgent <= now_ ? r.has_room() : r.open())) return false;
  if (r.in_flight == 0) return true;
  const std::int64_t kv = std::min(r.kv_tokens - r.kv_foreign, r.kv_share);
  if (r.kv_tokens > 0 && r.tokens + q.tokens() > kv) return false;
  return r.max_prefill == 0 || r.prefill == 0 || r.prefill + q.prompt <= r.max_prefill;
}

/// The better of two for this request; the one that failed it last only where there is no other.
Slot ReplicaSet::best_of(const Request& q, Slot best, Slot other) const {
  if (!fits(replicas_[other], q)) return best;
  if (best == kNil) return other;
  bool best_failed = q.attempts > 0 && replicas_[best].id == q.replica;
  bool other_failed = q.attempts > 0 && replicas_[other].id == q.replica;
  if (best_failed != other_failed) return best_failed ? other : best;
  return LoadOrder{const_cast<Slab<Replica>&>(replicas_)}.less(other, best) ? other : best;
}

/// Also those whose pace says no.
Slot ReplicaSet::pick_any(const Request& q) const {
  Slot best = kNil;
  for (Slot slot : all_) best = best_of(q, best, slot);
  return best;
}

Slot ReplicaSet::pick_open(const Request& q) const {
  if (open_.empty()) return kNil;
  Slot top = open_.top();
  if (fits(replicas_[top], q) && (q.attempts == 0 || replicas_[top].id != q.replica)) return top;
  Slot best = kNil;
  for (std::size_t i = 0; i < open_.size(); ++i) best = best_of(q, best, open_.at(i));
  return best;
}

/// The replica that had the adapter last, if it is not much busier than the least loaded.
Slot ReplicaSet::stick(const Request& q, Slot least) const {
  const Sticky& last = sticky_[q.adapter_hash % kAdapters];
  if (last.adapter != q.adapter_hash || q.attempts > 0) return least;
  Slot slot = find(last.replica);
  if (slot == kNil || !fits(replicas_[slot], q)) return least;
  return replicas_[slot].load <= replicas_[least].load + kStickySlack ? slot : least;
}

Slot ReplicaSet::pick(Slot request) {
  const Request& q = requests_[request];
  const bool urgent = q.urgent <= now_;
  if (open_.empty() && !urgent) return kNil;
  Slot best = kNil;
  if (urgent) {
    best = pick_any(q);
  } else if (blocked_ == q.sequence) {
    for (Slot slot : freed_) best = best_of(q, best, slot);
  } else {
    best = pick_open(q);
  }
  freed_.clear();
  blocked_ = best == kNil ? q.sequence : 0;
  return best == kNil || q.adapter_hash == 0 ? best : stick(q, best);
}

void ReplicaSet::bind(Slot request, Slot replica) {
  Request& q = requests_[request];
  Replica& r = replicas_[replica];
  q.replica = r.id;
  q.replica_slot = replica;
  r.held.push_back(requests_, request);
  ++bound_;
  ++r.in_flight;
  r.tokens += q.tokens();
  r.prefill += q.prompt;
  r.picked = ++picks_;
  r.peak = std::max(r.peak, r.in_flight);
  r.peak_tokens = std::max(r.peak_tokens, r.tokens);
  if (q.adapter_hash != 0) sticky_[q.adapter_hash % kAdapters] = {q.adapter_hash, r.id};
  law_.saw_prompt(q.prompt);
  r.pace.charge(q.prompt, r.in_flight, r.tokens, law_, now_);
  repace(replica);
  changed(replica);
}

/// Into the heap of those that owe prefill, to its place there, or out of it.
void ReplicaSet::repace(Slot replica) {
  Replica& r = replicas_[replica];
  PacedOrder order{replicas_};
  const bool owes = r.pace.on(law_) && r.pace.opens(law_) > now_;
  if (r.paced_place != kNil && !owes) return paced_.remove(order, replica);
  if (!owes) return;
  if (r.paced_place == kNil) return paced_.push(order, replica);
  paced_.update(order, replica);
}

void ReplicaSet::first_byte(Slot request) {
  Request& q = requests_[request];
  if (q.first_byte) return;
  q.first_byte = true;
  if (q.replica_slot == kNil) return;
  Replica& r = replicas_[q.replica_slot];
  r.prefill -= q.prompt;
  q.began = r.pace.mark(r.in_flight, r.tokens, now_);
  changed(q.replica_slot);
}

void ReplicaSet::finished(Slot request, std::int64_t output) {
  const Request& q = requests_[request];
  law_.saw_output(output);
  if (q.replica_slot == kNil || !q.first_byte) return;
  Replica& r = replicas_[q.replica_slot];
  r.pace.learn(q.began, output, r.in_flight, r.tokens, now_);
}

void ReplicaSet::release(Slot request) {
  Request& q = requests_[request];
  if (q.replica_slot == kNil) return;
  Replica& r = replicas_[q.replica_slot];
  r.held.remove(requests_, request);
  --bound_;
  --r.in_flight;
  ++r.ended;
  r.tokens -= q.tokens();
  if (!q.first_byte) r.prefill -= q.prompt;
  changed(q.replica_slot);
  q.replica_slot = kNil;
}

void ReplicaSet::succeeded(Slot replica) { replicas_[replica].failures = 0; }

void ReplicaSet::close(Slot replica, Instant until) {
  Replica& r = replicas_[replica];
  r.closed_until = r.closed_until.is_never() ? until : std::max(r.closed_until, until);
  wants(r.closed_until);
  changed(replica);
}

void ReplicaSet::failed(Slot replica, Instant now) {
  Replica& r = replicas_[replica];
  Duration pause = kBackoffFirst * (1LL << std::min(r.failures, 16));
  r.failures = std::min(r.failures + 1, 16);
  close(replica, now + std::min(pause, kBackoffMost));
}

void ReplicaSet::busy(Slot replica, Instant now) {
  Replica& r = replicas_[replica];
  r.cap = std::max<std::int64_t>(1, std::min(r.cap, r.in_flight));
  r.restore_at = now + kRestoreEvery;
  wants(r.restore_at);
  close(replica, now + kBusyPause);
}

void ReplicaSet::scraped(Slot replica, const Scraped& event, Instant now) {
  Replica& r = replicas_[replica];
  auto sane = [](std::int64_t n) { return std::clamp<std::int64_t>(n, 0, 1LL << 30); };
  std::int64_t foreign =
      sane(sane(event.running) + sane(event.waiting) - std::max(r.peak, r.in_flight));
  double usage = event.kv_usage >= 0 ? std::min(event.kv_usage, 1.0) : 0;  // NaN compares false
  auto used = static_cast<std::int64_t>(usage * static_cast<double>(r.kv_tokens));
  std::int64_t kv_foreign = std::max<std::int64_t>(0, used - std::max(r.peak_tokens, r.tokens));
  r.foreign = std::min(foreign, std::exchange(r.foreign_before, foreign));
  r.kv_foreign = std::min(kv_foreign, std::exchange(r.kv_foreign_before, kv_foreign));
  r.credit.look({.preempted = event.preempted,
                 .swapped = event.swapped,
                 .held = std::max(r.peak, r.in_flight),
                 .running = event.running,
                 .ended = r.ended,
                 .at = now},
                r.max_requests);
  r.peak = r.in_flight;
  r.peak_tokens = r.tokens;
  r.foreign_until = foreign > 0 || kv_foreign > 0 ? now + kForeignTtl : Instant::never();
  wants(r.foreign_until);
  changed(replica);
}

std::int64_t ReplicaSet::progressed(Slot replica, std::int64_t output) {
  Replica& r = replicas_[replica];
  std::int64_t before = std::max<std::int64_t>(r.output_seen, 0);
  r.output_seen = std::max<std::int64_t>(output, 0);
  // A total that went back is a restarted counter: what it shows now is all new.
  return r.output_seen >= before ? r.output_seen - before : r.output_seen;
}

Instant ReplicaSet::next_change() const {
  if (paced_.empty()) return next_change_;
  return std::min(next_change_, replicas_[paced_.top()].pace.opens(law_));
}

void ReplicaSet::advance(Instant now) {
  now_ = now;
  while (!paced_.empty() && replicas_[paced_.top()].pace.opens(law_) <= now) {
    const Slot slot = paced_.top();
    paced_.remove(PacedOrder{replicas_}, slot);
    changed(slot);
  }
  if (now < next_change_) return;
  next_change_ = Instant::never();
  for (Slot slot : all_) {
    Replica& r = replicas_[slot];
    if (r.closed_until <= now) r.closed_until = Instant::never();
    if (r.foreign_until <= now) {
      r.foreign = r.foreign_before = r.kv_foreign = r.kv_foreign_before = 0;
      r.foreign_until = Instant::never();
    }
    if (r.restore_at <= now) {
      std::int64_t step = std::max<std::int64_t>(1, r.max_requests / 10);
      r.cap = r.cap >= r.max_requests - step ? kNoCap : r.cap + step;
      r.restore_at = r.cap == kNoCap ? Instant::never() : now + kRestoreEvery;
    }
    wants(std::min({r.closed_until, r.foreign_until, r.restore_at}));
    changed(slot);
  }
}

std::vector<ReplicaView> ReplicaSet::views() const {
  std::vector<ReplicaView> views;
  views.reserve(all_.size());
  for (Slot slot : all_) {
    const Replica& r = replicas_[slot];
    views.push_back({.replica = r.id,
                     .variant = r.variant,
                     .draining = r.draining,
                     .in_flight = r.in_flight,
                     .in_flight_tokens = r.tokens,
                     .credit = r.limit(),
                     .withheld = r.withheld(),
                     .ended = r.ended});
  }
  return views;
}

}  // namespace tidegate::route
