#include "core/route/fair_queue.h"

#include <algorithm>

namespace tidegate::route {
namespace {

/// Tags count tokens in 1/1024 so that weights divide without loss of order.
constexpr std::int64_t kTagScale = 1024;

struct Ahead {
  std::int64_t count = 0;
  std::int64_t cost = 0;
};

/// What stands in the tree before (deadline, sequence).
Ahead ahead_in(const Slab<Request>& requests, Slot root, const Request& key) {
  Ahead ahead;
  while (root != kNil) {
    const Request& node = requests[root];
    bool goes_first =
        node.deadline != key.deadline ? node.deadline < key.deadline : node.sequence < key.sequence;
    if (!goes_first) {
      root = node.left;
      continue;
    }
    ahead.count += 1 + (node.left == kNil ? 0 : requests[node.left].tree_size);
    ahead.cost += node.cost() + (node.left == kNil ? 0 : requests[node.left].tree_cost);
    root = node.right;
  }
  return ahead;
}

/// a * b / c without overflow, c > 0.
std::int64_t scaled(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<std::int64_t>(static_cast<__int128>(a) * b / c);
}

}  // namespace

struct FairQueue::DeadlineOrder {
  Slab<Request>& requests;
  bool less(Slot a, Slot b) const {
    const Request &x = requests[a], &y = requests[b];
    return x.deadline != y.deadline ? x.deadline < y.deadline : x.sequence < y.sequence;
  }
  Slot& place(Slot slot) { return requests[slot].deadline_place; }
};

struct FairQueue::DueOrder {
  Slab<Request>& requests;
  bool less(Slot a, Slot b) const {
    const Request &x = requests[a], &y = requests[b];
    return x.due != y.due ? x.due < y.due : x.sequence < y.sequence;
  }
  Slot& place(Slot slot) { return requests[slot].due_place; }
};

struct FairQueue::TenantOrder {
  Slab<Tenant>& tenants;
  const Slab<Request>& requests;
  bool less(Slot a, Slot b) const {
    const Tenant &x = tenants[a], &y = tenants[b];
    if (x.finish != y.finish) return x.finish < y.finish;
    return requests[x.head].sequence < requests[y.head].sequence;
  }
  Slot& place(Slot slot) { return tenants[slot].place; }
};

void FairQueue::set_weights(const std::vector<std::int64_t>& weights) {
  in_force_ = std::clamp<std::size_t>(weights.size(), 1, kMaxClasses);
  if (classes_.size() < in_force_) classes_.resize(in_force_);
  for (std::size_t i = 0; i < in_force_ && i < weights.size(); ++i) {
    classes_[i].weight = std::clamp<std::int64_t>(weights[i], 1, 1 << 20);
  }
}

std::uint32_t FairQueue::class_of(std::int64_t priority) const {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(priority, 0, static_cast<std::int64_t>(in_force_) - 1));
}

void FairQueue::account(Slot slot, std::int64_t sign) {
  const Request& r = requests_[slot];
  Class& c = classes_[r.priority];
  c.count += sign;
  c.cost += sign * r.cost();
  if (r.retried) {
    c.retry_count += sign;
  } else {
    c.bytes += sign * r.bytes;
  }
  count_ += sign;
  bytes_ += sign * r.bytes;
  prompt_ += sign * r.prompt;
  output_ += sign * r.expected_output;
  kv_token_steps_ += sign * r.kv_token_steps();
  cost_ += sign * r.cost();
}

void FairQueue::enter(Slot slot) {
  Class& c = classes_[requests_[slot].priority];
  if (c.count == 0) c.start = std::max(c.start, clock_);
  account(slot, 1);
  deadlines_.push(DeadlineOrder{requests_}, slot);
}

Slot FairQueue::tenant_of(const Request& r) const {
  return tenant_index_.find(r.tenant_hash * kMaxClasses + r.priority);
}

void FairQueue::push(Slot slot) {
  Request& r = requests_[slot];
  r.retried = r.late = r.pressing = false;
  r.left = r.right = kNil;
  pull(slot);
  enter(slot);
  if (!r.due.is_never()) dues_.push(DueOrder{requests_}, slot);
  Class& c = classes_[r.priority];
  c.arrivals.push_back(requests_, slot);
  TenantOrder order{tenants_, requests_};
  r.tenant = tenant_of(r);
  if (r.tenant == kNil) {
    r.tenant = tenants_.take();
    Tenant& t = tenants_[r.tenant];
    t.key = r.tenant_hash * kMaxClasses + r.priority;
    t.priority = r.priority;
    t.start = c.clock;
    t.root = t.head = slot;
    t.late = kNil;
    t.in_time = 0;
    t.finish = t.start + r.cost() * kTagScale;
    tenant_index_.insert(t.key, r.tenant);
    c.tenants.push(order, r.tenant);
    return;
  }
  Tenant& t = tenants_[r.tenant];
  const bool leads = t.root == kNil || (!requests_[t.head].late && before(slot, t.head));
  insert(t.root, slot);
  if (leads) rekey(r.tenant);
}

Slot FairQueue::make_late(Instant now) {
  DueOrder order{requests_};
  while (!dues_.empty() && requests_[dues_.top()].due < now) {
    const Slot slot = dues_.top();
    dues_.remove(order, slot);
    Request& r = requests_[slot];
    Tenant& t = tenants_[r.tenant];
    if (r.late) {
      r.pressing = true;
      rekey(r.tenant);
      continue;
    }
    erase(t.root, slot);
    r.late = true;
    insert(t.late, slot);
    rekey(r.tenant);
    r.due = r.urgent;
    dues_.push(order, slot);
    return slot;
  }
  return kNil;
}

void FairQueue::push_retry(Slot slot) {
  Request& r = requests_[slot];
  r.retried = true;
  enter(slot);
  List& list = classes_[r.priority].retries;
  Slot after = list.tail;
  while (after != kNil && requests_[after].sequence > r.sequence) after = requests_[after].prev;
  list.insert_after(requests_, after, slot);
}

bool FairQueue::late_is_next(const Tenant& t) const {
  if (t.root == kNil || t.late == kNil) return t.root == kNil;
  return t.in_time >= kInTime || requests_[first_of(t.late)].pressing;
}

/// The head of the tenant may have changed, or where its service starts.
void FairQueue::rekey(Slot tenant) {
  Tenant& t = tenants_[tenant];
  t.head = first_of(late_is_next(t) ? t.late : t.root);
  t.finish = t.start + requests_[t.head].cost() * kTagScale;
  classes_[t.priority].tenants.update(TenantOrder{tenants_, requests_}, tenant);
}

void FairQueue::leave_tenant(Slot slot) {
  Slot tenant = requests_[slot].tenant;
  Tenant& t = tenants_[tenant];
  Slot& root = requests_[slot].late ? t.late : t.root;
  const bool may_lead = slot == t.head || requests_[slot].late;  // a late one may hold back others
  erase(root, slot);
  if (waiting(t.root) + waiting(t.late) == 0) {
    classes_[t.priority].tenants.remove(TenantOrder{tenants_, requests_}, tenant);
    tenant_index_.erase(t.key);
    tenants_.give_back(tenant);
  } else if (may_lead) {
    rekey(tenant);
  }
  requests_[slot].tenant = kNil;
}

void FairQueue::remove(Slot slot) {
  Request& r = requests_[slot];
  Class& c = classes_[r.priority];
  deadlines_.remove(DeadlineOrder{requests_}, slot);
  account(slot, -1);
  if (r.retried) {
    c.retries.remove(requests_, slot);
  } else {
    if (r.due_place != kNil) dues_.remove(DueOrder{requests_}, slot);
    leave_tenant(slot);
    c.arrivals.remove(requests_, slot);
  }
}

Slot FairQueue::class_head(const Class& c) const {
  if (!c.retries.empty()) return c.retries.head;
  return c.tenants.empty() ? kNil : tenants_[c.tenants.top()].head;
}

std::int64_t FairQueue::class_finish(const Class& c) const {
  if (!c.retries.empty()) return c.start;
  return c.start + requests_[tenants_[c.tenants.top()].head].cost() * kTagScale / c.weight;
}

Slot FairQueue::head() const {
  const Class* best = nullptr;
  std::int64_t best_finish = 0;
  for (const Class& c : classes_) {
    if (c.count == 0) continue;
    std::int64_t finish = class_finish(c);
    if (best == nullptr || finish < best_finish) {
      best = &c;
      best_finish = finish;
    }
  }
  return best == nullptr ? kNil : class_head(*best);
}

void FairQueue::serve_head() {
  Slot slot = head();
  if (slot == kNil) return;
  Request& r = requests_[slot];
  Class& c = classes_[r.priority];
  clock_ = std::max(clock_, class_finish(c));
  c.start = class_finish(c);
  if (!r.retried) {
    // Charge before the tenant's next head is keyed.
    Tenant& t = tenants_[r.tenant];
    c.clock = std::max(c.clock, t.finish);
    t.start = t.finish;
    t.in_time = r.late ? 0 : t.in_time + 1;
  }
  remove(slot);
}

std::int64_t FairQueue::displaceable_bytes(std::uint32_t of) const {
  std::int64_t bytes = 0;
  for (std::size_t i = of + 1; i < classes_.size(); ++i) bytes += classes_[i].bytes;
  return bytes;
}

Slot FairQueue::least_valuable() const {
  for (std::size_t i = classes_.size(); i-- > 0;) {
    if (!classes_[i].arrivals.empty()) return classes_[i].arrivals.tail;
  }
  return kNil;
}

Instant FairQueue::oldest_arrival() const {
  Instant oldest = Instant::never();
  for (const Class& c : classes_) {
    for (const List* list : {&c.retries, &c.arrivals}) {
      if (!list->empty()) oldest = std::min(oldest, requests_[list->head].arrived);
    }
  }
  return oldest;
}

/// Weight of the classes that wait, `with` counted in.
std::int64_t FairQueue::active_weight(std::uint32_t with) const {
  std::int64_t weight = 0;
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i].count > 0 || i == with) weight += classes_[i].weight;
  }
  return weight;
}

std::int64_t FairQueue::position(Slot slot) const {
  const Request& r = requests_[slot];
  const Class& c = classes_[r.priority];
  std::int64_t in_class = 0;
  if (r.retried) {
    for (Slot s = r.prev; s != kNil; s = requests_[s].prev) ++in_class;
  } else {
    const Tenant& t = tenants_[r.tenant];
    std::int64_t own = ahead_in(requests_, r.late ? t.late : t.root, r).count;
    own += r.late ? waiting(t.root) : std::min(own / kInTime, waiting(t.late));
    auto flows = static_cast<std::int64_t>(c.tenants.size());
    in_class = c.retry_count + std::min(own * flows, c.count - c.retry_count - 1);
  }
  return std::min(scaled(in_class, active_weight(r.priority), c.weight), count_ - 1);
}

std::int64_t FairQueue::cost_ahead(const Request& r) const {
  const Class& c = classes_[r.priority];
  auto flows = static_cast<std::int64_t>(c.tenants.size());
  Slot tenant = tenant_of(r);
  std::int64_t own = 0;
  if (tenant != kNil) {
    const Tenant& t = tenants_[tenant];
    auto cost = [&](Slot root) { return root == kNil ? 0 : requests_[root].tree_cost; };
    own = ahead_in(requests_, r.late ? t.late : t.root, r).cost;
    own += r.late ? cost(t.root) : std::min(own / kInTime, cost(t.late));
  }
  std::int64_t in_class = std::min(scaled(own, std::max<std::int64_t>(flows, 1), 1), c.cost);
  return std::min(scaled(in_class, active_weight(r.priority), c.weight), cost_);
}

}  // namespace tidegate::route
