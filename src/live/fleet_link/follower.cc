#include "live/fleet_link/follower.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/route/options.h"
#include "live/fleet_link/fleet.h"
#include "live/net/log.h"

namespace tidegate::live::link {

using net::Level;

namespace {

/// Whether a router must hear of it again; its share and its page go by events of their own.
bool same_replica(const ReplicaNews& a, const ReplicaNews& b) {
  auto of = [](const route::ReplicaUp& up) {
    return std::tuple(up.variant, up.max_requests, up.kv_tokens, up.max_prefill_tokens, up.c0_fs,
                      up.c1_fs, up.c2_fs, up.c3_fs, up.c4_fs);
  };
  return a.address == b.address && of(a.up) == of(b.up);
}

bool same_share(const route::ReplicaShare& a, const route::ReplicaShare& b) {
  return a.max_requests == b.max_requests && a.kv_tokens == b.kv_tokens &&
         a.prefill_mille == b.prefill_mille;
}

}  // namespace

Follower::Follower(net::Loop& loop, const net::WorldClock& clock, Gateway& gateway,
                   FollowerOptions options)
    : loop_(loop),
      clock_(clock),
      gateway_(gateway),
      leaderless_(options.leaderless),
      least_period_(options.least_period),
      since_(loop.now()) {
  seeking_ = {.leaders = std::move(options.leaders),
              .token = std::move(options.token),
              .hello = {.name = std::move(options.name),
                        .incarnation = options.incarnation,
                        .version = std::move(options.version)},
              .tls = std::move(options.tls),
              .remember = [this](Hello& hello) { remember(hello); },
              .leader = std::move(options.leader),
              .longest_pause = options.longest_pause};
  seek();
}

void Follower::seek() {
  client_ = std::make_unique<Client>(
      loop_, seeking_,
      ClientHooks{.found = [this](const net::Address& address) { found(address); },
                  .news = [this](const News& news) { heard(news); },
                  .writable =
                      [this] {
                        if (report_wanted_) report();
                      },
                  .lost = [this](const std::string& why) { lost(why); }});
}

/// What is in force here, or more: what was begun under a larger share than the one told last. One
/// that drains is left out of nothing: it may yet be taken back.
void Follower::remember(Hello& hello) const {
  hello.gateways = gateways_;
  for (const auto& [name, model] : models_) {
    std::map<ReplicaId, route::ReplicaView> views;
    for (const route::ReplicaView& view : gateway_.replica_views(name)) views[view.replica] = view;
    for (const auto& [id, known] : model.replicas) {
      const ReplicaNews& news = known.news;
      const route::ReplicaView& view = views[id];
      hello.shares.push_back({name, news.address, std::max(news.share.max_requests, view.in_flight),
                              std::max({std::int64_t{0}, news.share.kv_tokens,
                                        std::min(view.in_flight_tokens, news.up.kv_tokens)})});
    }
  }
}

void Follower::found(const net::Address& address) {
  last_leader_ = address;
  since_ = loop_.now();
  heard_version_ = 0;
  for (auto& [name, model] : models_) model.ever_sent = false;
  net::log(Level::kInfo, "a leader was found", {{"leader", address.text()}});
}

void Follower::lost(const std::string& why) {
  since_ = loop_.now();
  net::log(Level::kWarn, "the leader is lost: serving with the last replicas and shares",
           {{"detail", why}});
}

// ---- where this process leads ----

void Follower::lead(Fleet& fleet) {
  if (own_ != nullptr) return;
  client_.reset();
  own_ = &fleet;
  found(fleet.address());
  Hello hello = seeking_.hello;
  remember(hello);
  fleet.join(hello, [this](const News& news) { heard(news); });
  report();
}

void Follower::follow() {
  if (own_ == nullptr) return;
  own_ = nullptr;
  lost("this process leads no longer");
  seek();
  client_->start();
}

bool Follower::send(const Report& report) {
  if (own_ == nullptr) return client_->send(report);
  own_->joined_reports(report);
  return true;
}

Follower::~Follower() { loop_.cancel(timer_); }

void Follower::start() {
  if (client_ != nullptr) client_->start();
  tick();
}

void Follower::tick() {
  report();
  if (!connected() && loop_.now() - since_ >= leaderless_) {
    for (auto& [name, model] : models_) go_by_sight(model);
  }
  timer_ = loop_.after(std::max(clock_.to_wall(kPeriod), least_period_), [this] { tick(); });
}

void Follower::set_models(const std::vector<spec::Model>& models) {
  std::map<std::string, Model> next;
  for (const spec::Model& spec : models) {
    auto before = models_.find(spec.name);
    Model& model = next[spec.name];
    if (before != models_.end()) model = std::move(before->second);
    model.spec = spec;
    if (before != models_.end()) continue;
    if (auto early = early_.find(spec.name); early != early_.end()) {
      take(model, early->second);
      early_.erase(early);
    }
  }
  for (auto& [name, model] : models_) {
    if (next.contains(name)) continue;
    for (const auto& [id, known] : model.replicas) gateway_.replica_down(name, id);
  }
  models_ = std::move(next);
}

// ---- what the leader says ----

void Follower::heard(const News& news) {
  leader_name_ = news.leader;
  heard_version_ = news.version;
  gateways_ = news.gateways;
  for (const ModelNews& row : news.models) {
    if (auto model = models_.find(row.model); model != models_.end()) {
      take(model->second, row);
    } else if (early_.contains(row.model) || early_.size() < kMaxEarly) {
      early_[row.model] = row;
    }
  }
  report();  // it waits for the word that a smaller share was read
}

void Follower::take(Model& model, const ModelNews& news) {
  const std::string& name = model.spec.name;
  std::set<ReplicaId> named;
  for (const ReplicaNews& replica : news.replicas) {
    const ReplicaId id = ours(model, replica);
    named.insert(id);
    auto known = model.replicas.find(id);
    tell(name, id, known == model.replicas.end() ? nullptr : &known->second.news, replica);
    model.replicas[id] = {replica.up.replica, replica};
  }
  if (!news.all) return;
  for (auto it = model.replicas.begin(); it != model.replicas.end();) {
    if (named.contains(it->first)) {
      ++it;
      continue;
    }
    gateway_.replica_down(name, it->first);
    it = model.replicas.erase(it);
  }
}

// ---- without a leader ----

void Follower::seen(const std::string& model, std::int32_t variant, const EngineSight& sight) {
  auto found = models_.find(model);
  if (found == models_.end()) return;
  Model::Sight& known = found->second.sights[variant];
  known.now = sight;
  known.ever.insert(sight.ready.begin(), sight.ready.end());
}

void Follower::go_by_sight(Model& model) {
  const std::string& name = model.spec.name;
  for (auto& [variant, sight] : model.sights) {
    std::set<net::Address> known;
    for (auto it = model.replicas.begin(); it != model.replicas.end();) {
      ReplicaNews& news = it->second.news;
      known.insert(news.address);
      const bool ends = sight.now.ending.contains(news.address);
      const bool gone =
          sight.ever.contains(news.address) && !ends && !sight.now.ready.contains(news.address);
      if (gone) {
        gateway_.replica_down(name, it->first);
        sight.ever.erase(news.address);
        it = model.replicas.erase(it);
        continue;
      }
      if (ends && !std::exchange(news.draining, true)) gateway_.replica_draining(name, it->first);
      ++it;
    }
    for (const net::Address& address : sight.now.ready) {
      if (!known.contains(address)) add_by_sight(model, variant, address);
    }
  }
}

/// As its spec says, an equal part of it.
void Follower::add_by_sight(Model& model, std::int32_t variant, const net::Address& address) {
  const auto index = static_cast<std::size_t>(variant);
  if (index >= model.spec.variants.size()) return;
  // Ids of leaders are small or spread over all; ours are from the address, next to none of theirs.
  ReplicaId id(std::hash<std::string>{}(address.text()) | 1);
  while (model.replicas.contains(id)) id = ReplicaId(id.value() + 2);
  ReplicaNews news;
  news.up =
      route::replica_up(model.spec, index, id, route::profile_size(model.spec.variants[index]));
  news.address = address;
  const std::int64_t parts = std::max<std::int64_t>(1, gateways_);
  news.share = {.replica = id,
                .max_requests = std::max<std::int64_t>(1, news.up.max_requests / parts)};
  if (news.up.kv_tokens > 0) news.share.kv_tokens = news.up.kv_tokens / parts;
  news.share.prefill_mille = std::max<std::int64_t>(1, 1000 / parts);
  tell(model.spec.name, id, nullptr, news);
  model.replicas[id] = {id, news};
  net::log(Level::kInfo, "an engine was found without a leader",
           {{"model", model.spec.name}, {"address", address.text()}});
}

/// Known by its address; a new one by the leader's id, where that is free here.
ReplicaId Follower::ours(const Model& model, const ReplicaNews& news) const {
  for (const auto& [id, known] : model.replicas) {
    if (known.news.address == news.address) return id;
  }
  ReplicaId id = news.up.replica;
  while (model.replicas.contains(id)) id = ReplicaId(id.value() + 1);
  return id;
}

void Follower::tell(const std::string& name, ReplicaId id, const ReplicaNews* before,
                    const ReplicaNews& now) {
  const bool again = before == nullptr || (before->draining && !now.draining);
  if (again || !same_replica(*before, now)) {
    route::ReplicaUp up = now.up;
    up.replica = id;
    up.shared = 1;
    gateway_.replica_up(name, up, now.address);
  }
  if (now.draining && (before == nullptr || !before->draining)) gateway_.replica_draining(name, id);
  if (before == nullptr || !same_share(before->share, now.share)) {
    route::ReplicaShare share = now.share;
    share.replica = id;
    gateway_.told(name, share);
  }
  if (now.scrapes > 0 && (before == nullptr || before->scrapes != now.scrapes)) {
    route::Scraped page = now.scraped;
    page.replica = id;  // thrashing is judged by the leader, and in the share already
    gateway_.told(name, page);
  }
}

// ---- what we say ----

void Follower::waits(const std::string& model) {
  auto found = models_.find(model);
  if (found == models_.end()) return;
  if (found->second.ever_sent && found->second.sent.demand.queued_requests > 0) return;  // known
  report_wanted_ = true;
  if (std::exchange(report_pending_, true)) return;
  loop_.defer([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    report_pending_ = false;
    if (report_wanted_) report();
  });
}

void Follower::report() {
  report_wanted_ = true;
  if (!connected()) return;
  Report report{.acked = heard_version_, .leaving = leaving_};
  for (auto& [name, model] : models_) {
    ModelReport now = look(model);
    if (model.ever_sent && now == model.sent) continue;
    report.models.push_back(std::move(now));
  }
  if (!send(report)) return;  // when it can be written: the newest
  report_wanted_ = false;
  for (ModelReport& row : report.models) {
    Model& model = models_[row.model];
    model.sent = std::move(row);
    model.ever_sent = true;
  }
}

bool Follower::leave() {
  leaving_ = true;
  report();
  return connected();
}

ModelReport Follower::look(const Model& model) const {
  const std::string& name = model.spec.name;
  ModelReport out{.model = name, .demand = gateway_.demand(name)};
  if (const Traffic* traffic = gateway_.traffic(name); traffic != nullptr) {
    const Duration window = model.spec.scaling.window;
    out.ttft = traffic->recent_ttft.over(clock_.now(), window).filled();
    out.itl = traffic->recent_itl.over(clock_.now(), window).filled();
  }
  for (const route::ReplicaView& view : gateway_.replica_views(name)) {
    auto known = model.replicas.find(view.replica);
    if (known == model.replicas.end()) continue;
    out.replicas.push_back(
        {known->second.theirs, view.in_flight, view.in_flight_tokens, view.ended});
  }
  return out;
}

// ---- views ----

LeaderView Follower::leader() const {
  return {.connected = connected(),
          .address = last_leader_,
          .name = leader_name_,
          .trouble = client_ == nullptr ? "" : client_->trouble(),
          .since = loop_.now() - since_};
}

std::map<ReplicaId, net::Address> Follower::addresses(const std::string& model) const {
  std::map<ReplicaId, net::Address> out;
  if (auto found = models_.find(model); found != models_.end()) {
    for (const auto& [id, known] : found->second.replicas) out[id] = known.news.address;
  }
  return out;
}

}  // namespace tidegate::live::link
