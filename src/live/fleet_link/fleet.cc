#include "live/fleet_link/fleet.h"

#include <algorithm>

#include "live/net/log.h"

namespace tidegate::live::link {

using net::Level;

namespace {
/// Of the gateway of this process; the server counts from 1.
constexpr PeerId kOwn{UINT64_MAX};
}  // namespace

Fleet::Fleet(net::Loop& loop, const net::WorldClock& clock, FleetOptions options, FleetHooks hooks)
    : loop_(loop), clock_(clock), options_(std::move(options)), hooks_(std::move(hooks)) {}

Fleet::~Fleet() {
  for (const auto timer : {timer_, unknown_timer_, grace_timer_}) loop_.cancel(timer);
  shutdown();
}

Result<std::unique_ptr<Fleet>> Fleet::listen(net::Loop& loop, const net::WorldClock& clock,
                                             FleetOptions options, FleetHooks hooks) {
  std::unique_ptr<Fleet> fleet(new Fleet(loop, clock, std::move(options), std::move(hooks)));
  Fleet* f = fleet.get();
  auto server = Server::create(
      loop, fleet->options_.server,
      {.opened = [f](PeerId peer, const Hello& hello) { f->opened(peer, hello); },
       .report = [f](PeerId peer, const Report& report) { f->reported(peer, report); },
       .writable =
           [f](PeerId peer) {
             if (Gateway* gateway = f->find(peer)) f->flush(*gateway);
           },
       .closed = [f](PeerId peer) { f->closed(peer); }});
  if (!server) return fail(server.error());
  fleet->server_ = std::move(*server);
  fleet->tick();
  return fleet;
}

void Fleet::shutdown() {
  if (server_ != nullptr) server_->shutdown();
}

void Fleet::set_models(const std::vector<spec::Model>& models) {
  std::map<std::string, Model> next;
  for (const spec::Model& spec : models) {
    auto before = models_.find(spec.name);
    Model& model = next[spec.name];
    if (before != models_.end()) model = std::move(before->second);
    model.spec = spec;
    if (before != models_.end()) continue;
    for (auto& [id, gateway] : gateways_) {
      if (auto at = gateway.models.find(spec.name); at != gateway.models.end()) {
        model.demand.heard(id, at->second.last.demand, gateway.heard);
      }
    }
  }
  // One that left: its replicas drain; what they hold must be heard of until they are gone.
  for (auto& [name, model] : models_) {
    if (!next.contains(name) && !model.replicas.empty()) next[name] = std::move(model);
  }
  models_ = std::move(next);
}

void Fleet::lead(bool leading, const std::string& holder) {
  if (leading) {
    if (!leads_) {
      began_ = loop_.now();
      share_all_after(options_.unknown, unknown_timer_);
      share_all_after(options_.grace, grace_timer_);
    }
    server_->lead(options_.name);
  } else {
    server_->follow(holder);
    while (!gateways_.empty()) forget(gateways_.begin()->first);
    own_.reset();
  }
  leads_ = leading;
}

/// Gateways that the leader before had; 0: nobody has told of one.
std::int64_t Fleet::told_of() const {
  std::int64_t told = 0;
  for (const auto& [id, gateway] : gateways_) told = std::max(told, gateway.hello.gateways);
  return told;
}

/// Whether gateways that have not come may use what the leader before gave them.
bool Fleet::more_may_hold() const {
  const std::int64_t told = told_of();
  const auto came = std::count_if(gateways_.begin(), gateways_.end(), [](const auto& entry) {
    return entry.second.hello.gateways > 0;
  });
  const Duration since = loop_.now() - began_;
  return told == 0 ? since < options_.unknown : came < told && since < options_.grace;
}

/// As the next leader is to know it, should we lead no longer before all have come.
std::int64_t Fleet::gateways_to_tell() const {
  const auto here = static_cast<std::int64_t>(gateways_.size());
  if (!more_may_hold()) return here;
  return told_of() == 0 ? 0 : std::max(told_of(), here);
}

/// What it uses until it has read of another share.
void Fleet::in_force(Gateway& gateway, const std::string& model, ReplicaId id,
                     const Replica& replica) {
  Grant& grant = gateway.models[model].grants[id];
  grant.sent.clear();
  const auto told = gateway.told.find({model, replica.news.address});
  if (told != gateway.told.end()) grant.sent.push_back(told->second);
}

bool Fleet::settled() const { return leads_ && loop_.now() - began_ >= options_.settle; }

// ---- gateways come, speak and go ----

void Fleet::opened(PeerId peer, const Hello& hello) {
  const GatewayId id(hello.incarnation);
  // The same gateway as another process: of the one before nothing is left.
  for (auto it = gateways_.begin(); it != gateways_.end();) {
    const auto before = it++;
    const bool same = before->second.hello.name == hello.name && !before->second.peer;
    if (same && before->first != id) forget(before->first);
  }
  Gateway& gateway = gateways_[id];
  if (gateway.peer) close(gateway.peer, "the gateway came again");
  gateway.hello = hello;
  gateway.told.clear();
  for (const InForce& share : std::exchange(gateway.hello.shares, {})) {
    gateway.told[{share.model, share.address}] = {gateway.version, share.requests, share.kv_tokens};
  }
  gateway.peer = peer;
  gateway.heard = loop_.now();
  gateway.acked = 0;
  gateway.greeted = false;
  for (auto& [name, model] : models_) {
    gateway.dirty.insert(name);
    model.demand.heard(id, gateway.models[name].last.demand, gateway.heard);
    for (const auto& [replica_id, replica] : model.replicas) {
      in_force(gateway, name, replica_id, replica);
    }
  }
  net::log(Level::kInfo, "a gateway came", {{"gateway", hello.name}, {"version", hello.version}});
  for (auto& [name, model] : models_) share_soon(name);
}

void Fleet::reported(PeerId peer, const Report& report) {
  Gateway* gateway = find(peer);
  if (gateway == nullptr) return;
  gateway->heard = loop_.now();
  const bool read = report.acked > gateway->acked;
  gateway->acked = std::max(gateway->acked, report.acked);
  for (const ModelReport& row : report.models) take(*gateway, row);
  const GatewayId id(gateway->hello.incarnation);
  if (report.leaving) {
    gateway->peer = {};  // its stream ends with it
    return forget(id);
  }
  std::set<std::string> waiting;
  for (auto& [name, model] : models_) {
    AtGateway& at = gateway->models[name];
    model.demand.heard(id, at.last.demand, gateway->heard);
    if (read) {
      for (auto& [replica, grant] : at.grants) grant.acked(gateway->acked);
    }
    if (at.last.demand.queued_requests > 0) waiting.insert(name);
    if (waiting.contains(name) || (read && model.unread)) share_soon(name);
    look_drained(name, model);
  }
  flush_soon();
  for (const std::string& name : waiting) hooks_.waits(name);
}

void Fleet::take(Gateway& gateway, const ModelReport& report) {
  if (!gateway.models.contains(report.model) && gateway.models.size() >= kMaxModels) return;
  AtGateway& at = gateway.models[report.model];
  at.last = report;
  at.held.clear();
  for (const Held& held : report.replicas) at.held[held.replica] = held;
}

void Fleet::closed(PeerId peer) {
  Gateway* gateway = find(peer);
  if (gateway == nullptr) return;
  gateway->peer = {};
  for (auto& [name, model] : models_) model.demand.lost(GatewayId(gateway->hello.incarnation));
  net::log(Level::kWarn, "a gateway is lost: nothing falls until it is back or forgotten",
           {{"gateway", gateway->hello.name}});
}

// ---- the gateway of this process ----

void Fleet::join(const Hello& hello, std::function<void(const News&)> news) {
  own_ = std::make_shared<std::function<void(const News&)>>(std::move(news));
  own_on_way_ = false;
  opened(kOwn, hello);
  flush_soon();
}

void Fleet::joined_reports(const Report& report) { reported(kOwn, report); }

bool Fleet::send(PeerId peer, const News& news) {
  if (peer != kOwn) return server_->send(peer, news);
  if (own_ == nullptr || std::exchange(own_on_way_, true)) return false;
  // Later, as by stream: whoever is told speaks to us again.
  loop_.defer([this, told = std::weak_ptr(own_), news] {
    const auto tell = told.lock();
    if (tell == nullptr) return;
    own_on_way_ = false;
    (*tell)(news);
    if (Gateway* gateway = find(kOwn)) flush(*gateway);
  });
  return true;
}

void Fleet::close(PeerId peer, const std::string& why) {
  if (peer != kOwn) server_->close(peer, why);
}

void Fleet::forget(GatewayId id) {
  auto it = gateways_.find(id);
  net::log(Level::kInfo, "a gateway is gone", {{"gateway", it->second.hello.name}});
  if (it->second.peer) close(it->second.peer, "not heard for too long");
  gateways_.erase(it);
  for (auto& [name, model] : models_) {
    model.demand.gone(id);
    share_soon(name);
    look_drained(name, model);
  }
  flush_soon();
}

void Fleet::tick() {
  const Instant now = loop_.now();
  std::vector<GatewayId> over;
  for (const auto& [id, gateway] : gateways_) {
    if (gateway.peer != kOwn && now - gateway.heard >= options_.grace) over.push_back(id);
  }
  for (const GatewayId id : over) forget(id);
  for (auto& [name, model] : models_) {
    share_soon(name);
    look_drained(name, model);
  }
  flush_soon();
  timer_ =
      loop_.after(std::max(clock_.to_wall(kPeriod), options_.least_period), [this] { tick(); });
}

// ---- replicas ----

void Fleet::replica_up(const std::string& model, const route::ReplicaUp& up,
                       const net::Address& address) {
  Model* m = find(model);
  if (m == nullptr) return;
  const bool known = m->replicas.contains(up.replica);
  Replica& replica = m->replicas[up.replica];
  if (!known) replica.is_new = leads_ && m->all;
  if (replica.news.draining) replica.credit = {};  // it slept, or was started anew
  replica.drained = false;
  replica.news.up = up;
  replica.news.address = address;
  replica.news.draining = false;
  for (auto& [id, gateway] : gateways_) {
    if (!known) in_force(gateway, model, up.replica, replica);
  }
  touch(model);
  share_soon(model);
}

void Fleet::replica_draining(const std::string& model, ReplicaId id) {
  Replica* replica = find(model, id);
  if (replica == nullptr || replica->news.draining) return;
  replica->news.draining = true;
  for (auto& [gateway_id, gateway] : gateways_) {
    if (auto at = gateway.models.find(model); at != gateway.models.end()) {
      at->second.grants[id].told_draining = 0;
    }
  }
  touch(model);
  look_drained(model, *find(model));
}

void Fleet::replica_down(const std::string& model, ReplicaId id) {
  Model* m = find(model);
  if (m == nullptr || m->replicas.erase(id) == 0) return;
  for (auto& [gateway_id, gateway] : gateways_) {
    if (auto at = gateway.models.find(model); at != gateway.models.end()) {
      at->second.grants.erase(id);
    }
  }
  touch(model);
}

void Fleet::scraped(const std::string& model, ReplicaId id, const signal::ReplicaSignals& page) {
  Replica* replica = find(model, id);
  const auto read = scraped_of(id, page);
  if (replica == nullptr || !read) return;
  std::int64_t held = 0, ended = 0;
  for (const auto& [gateway_id, gateway] : gateways_) {
    auto at = gateway.models.find(model);
    if (at == gateway.models.end()) continue;
    if (auto it = at->second.held.find(id); it != at->second.held.end()) {
      held += it->second.requests;
      ended += it->second.ended;
    }
  }
  // KV that thrashes is judged here, of the whole: each router alone would see but its part of it.
  replica->credit.look({.preempted = read->preempted,
                        .swapped = read->swapped,
                        .held = held,
                        .running = read->running,
                        .ended = ended,
                        .at = clock_.now()},
                       replica->news.up.max_requests);
  ++replica->news.scrapes;
  replica->news.scraped = *read;
  for (auto& [gateway_id, gateway] : gateways_) gateway.dirty.insert(model);  // told each period
}

void Fleet::all_told(const std::string& model) {
  Model* m = find(model);
  if (m == nullptr || std::exchange(m->all, true)) return;
  touch(model);
}

Fleet::Gateway* Fleet::find(PeerId peer) {
  for (auto& [id, gateway] : gateways_) {
    if (gateway.peer == peer) return &gateway;
  }
  return nullptr;
}

Fleet::Model* Fleet::find(const std::string& model) {
  auto it = models_.find(model);
  return it == models_.end() ? nullptr : &it->second;
}

const Fleet::Model* Fleet::find(const std::string& model) const {
  return const_cast<Fleet*>(this)->find(model);
}

Fleet::Replica* Fleet::find(const std::string& model, ReplicaId id) {
  Model* m = find(model);
  if (m == nullptr) return nullptr;
  auto it = m->replicas.find(id);
  return it == m->replicas.end() ? nullptr : &it->second;
}

}  // namespace tidegate::live::link
