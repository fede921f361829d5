// The part of Fleet that shares credit out and tells gateways of it.
#include <algorithm>
#include <utility>

#include "core/route/shares.h"
#include "live/fleet_link/fleet.h"

namespace tidegate::live::link {
namespace {

std::int64_t committed_of(const std::vector<route::Claim>& claims) {
  std::int64_t sum = 0;
  for (const route::Claim& claim : claims) sum += claim.committed;
  return sum;
}

}  // namespace

// ---- what a gateway may use ----

/// The most of what is in force and what may yet be.
Fleet::Grant::Sent Fleet::Grant::committed() const {
  Sent most;
  for (const Sent& one : sent) {
    most.requests = std::max(most.requests, one.requests);
    most.kv_tokens = std::max(most.kv_tokens, one.kv_tokens);
  }
  return most;
}

void Fleet::Grant::acked(std::uint64_t version) {
  while (sent.size() > 1 && sent[1].version <= version) sent.pop_front();
}

void Fleet::share_soon(const std::string& model) {
  to_share_.insert(model);
  flush_soon();
}

/// What was held back until then may be free.
void Fleet::share_all_after(Duration wall, net::Loop::TimerId& timer) {
  loop_.cancel(timer);
  timer = loop_.after(wall, [this] {
    for (auto& [name, model] : models_) share_soon(name);
    for (auto& [id, gateway] : gateways_) gateway.greeted = false;  // how many we are
  });
}

void Fleet::share_out(const std::string& name, Model& model) {
  model.unread = false;
  if (gateways_.empty()) return;
  const std::int64_t ready =
      std::count_if(model.replicas.begin(), model.replicas.end(),
                    [](const auto& entry) { return !entry.second.news.draining; });
  for (const auto& [id, replica] : model.replicas) {
    if (!replica.news.draining) share_replica(name, ready, id, replica);
  }
  for (const auto& [id, gateway] : gateways_) {
    auto at = gateway.models.find(name);
    if (at == gateway.models.end()) continue;
    for (const auto& [replica, grant] : at->second.grants) {
      model.unread = model.unread || grant.committed().requests > grant.wanted.max_requests;
    }
  }
}

/// One of so many that are ready: what waits is shared out over them.
void Fleet::share_replica(const std::string& name, std::int64_t ready, ReplicaId id,
                          const Replica& replica) {
  const std::int64_t kv = replica.news.up.kv_tokens;
  std::vector<route::Claim> requests, tokens;
  for (auto& [gateway_id, gateway] : gateways_) {
    AtGateway& at = gateway.models[name];
    const signal::Demand& demand = at.last.demand;
    const Grant::Sent committed = at.grants[id].committed();
    Held held;
    if (auto it = at.held.find(id); it != at.held.end()) held = it->second;
    auto part = [ready](std::int64_t queued) { return (queued + ready - 1) / ready; };
    requests.push_back({held.requests + part(demand.queued_requests),
                        std::max(committed.requests, held.requests)});
    tokens.push_back({held.tokens + part(demand.queued_tokens + demand.queued_output_tokens),
                      std::max(committed.kv_tokens, std::min(held.tokens, kv))});
  }
  std::int64_t whole = replica.whole(), kv_whole = kv;
  if (!replica.is_new && more_may_hold()) {
    whole = std::min(whole, committed_of(requests));
    kv_whole = std::min(kv, committed_of(tokens));
  }
  const auto turn = static_cast<std::size_t>(id.value() % gateways_.size());
  const auto shares = route::share_out(whole, requests, turn);
  const auto kv_shares = route::share_out(kv_whole, tokens, turn);
  std::size_t i = 0;
  for (auto& [gateway_id, gateway] : gateways_) {
    Grant& grant = gateway.models[name].grants[id];
    route::ReplicaShare share{.replica = id, .max_requests = shares[i]};
    share.kv_tokens = kv == 0 ? -1 : kv_shares[i];
    // Of the time for prompts as of the places. Alone it is all.
    if (gateways_.size() > 1 || whole < replica.whole()) {
      share.prefill_mille =
          std::max<std::int64_t>(1, 1000 * shares[i] / std::max<std::int64_t>(1, replica.whole()));
    }
    ++i;
    const route::ReplicaShare& before = grant.wanted;
    if (before.replica == id && before.max_requests == share.max_requests &&
        before.kv_tokens == share.kv_tokens && before.prefill_mille == share.prefill_mille) {
      continue;
    }
    grant.wanted = share;
    gateway.dirty.insert(name);
  }
}

// ---- draining ----

bool Fleet::done_with(const Gateway& gateway, const std::string& model, ReplicaId id) const {
  auto at = gateway.models.find(model);
  if (at == gateway.models.end()) return true;
  auto grant = at->second.grants.find(id);
  auto held = at->second.held.find(id);
  const bool holds = held != at->second.held.end() && held->second.requests > 0;
  if (grant == at->second.grants.end() || grant->second.sent.empty()) return !holds;
  const std::uint64_t told = grant->second.told_draining;
  return !holds && told != 0 && told <= gateway.acked;
}

void Fleet::look_drained(const std::string& name, Model& model) {
  if (!settled()) return;
  for (auto& [id, replica] : model.replicas) {
    if (!replica.news.draining || replica.drained) continue;
    const bool empty =
        std::all_of(gateways_.begin(), gateways_.end(),
                    [&, id = id](const auto& entry) { return done_with(entry.second, name, id); });
    if (!empty) continue;
    replica.drained = true;
    // Later: whoever is told may speak to us again.
    loop_.defer([this, alive = std::weak_ptr<int>(alive_), name, id = id] {
      if (!alive.expired()) hooks_.drained(name, id);
    });
  }
}

// ---- telling ----

void Fleet::touch(const std::string& model) {
  for (auto& [id, gateway] : gateways_) gateway.dirty.insert(model);
  flush_soon();
}

/// What changes together is told together.
void Fleet::flush_soon() {
  if (std::exchange(flush_pending_, true)) return;
  loop_.defer([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    flush_pending_ = false;
    for (const std::string& name : std::exchange(to_share_, {})) {
      if (Model* model = find(name)) share_out(name, *model);
    }
    for (auto& [id, gateway] : gateways_) flush(gateway);
  });
}

void Fleet::flush(Gateway& gateway) {
  if (!gateway.peer || (gateway.greeted && gateway.dirty.empty())) return;
  const News news = compose(gateway, gateway.version + 1);
  if (!send(gateway.peer, news)) return;  // again when it has read the last one
  gateway.version = news.version;
  gateway.greeted = true;
  gateway.dirty.clear();
  remember_sent(gateway, news);
}

News Fleet::compose(const Gateway& gateway, std::uint64_t version) {
  News news{.version = version, .leader = options_.name, .gateways = gateways_to_tell()};
  for (const std::string& name : gateway.dirty) {
    const Model* model = find(name);
    if (model == nullptr) continue;
    ModelNews& row = news.models.emplace_back();
    row.model = name;
    row.all = model->all;
    auto at = gateway.models.find(name);
    for (const auto& [id, replica] : model->replicas) {
      ReplicaNews one = replica.news;
      one.share = {.replica = id, .max_requests = 0};
      if (at != gateway.models.end()) {
        if (auto grant = at->second.grants.find(id);
            grant != at->second.grants.end() && grant->second.wanted.replica == id) {
          one.share = grant->second.wanted;
        }
      }
      row.replicas.push_back(std::move(one));
    }
  }
  return news;
}

void Fleet::remember_sent(Gateway& gateway, const News& news) {
  for (const ModelNews& row : news.models) {
    AtGateway& at = gateway.models[row.model];
    for (const ReplicaNews& replica : row.replicas) {
      Grant& grant = at.grants[replica.up.replica];
      if (replica.draining) {
        if (grant.told_draining == 0) grant.told_draining = news.version;
      } else {
        grant.told_draining = 0;
      }
      const Grant::Sent now{news.version, replica.share.max_requests,
                            std::max<std::int64_t>(0, replica.share.kv_tokens)};
      const bool same = !grant.sent.empty() && grant.sent.back().requests == now.requests &&
                        grant.sent.back().kv_tokens == now.kv_tokens;
      if (same) continue;
      if (grant.sent.size() >= kMaxUnread) {  // it reads and never says so: the most counts
        Grant::Sent most = grant.committed();
        most.version = grant.sent.back().version;
        grant.sent = {most};
      }
      grant.sent.push_back(now);
    }
  }
}

}  // namespace tidegate::live::link
