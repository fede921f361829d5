#include "live/gateway/lane.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/route/options.h"
#include "live/gateway/relay.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

/// The comma-separated values of an environment variable.
std::vector<std::string> keys_in(const std::string& variable, const std::string& model) {
  std::vector<std::string> keys;
  const char* value = std::getenv(variable.c_str());
  std::string_view rest = value == nullptr ? "" : value;
  while (!rest.empty()) {
    std::string_view key = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), key.size() + 1));
    if (!key.empty()) keys.emplace_back(key);
  }
  if (keys.empty()) {
    net::log(net::Level::kWarn, "environment variable for a key is empty or not set",
             {{"model", model}, {"variable", variable}});
  }
  return keys;
}

}  // namespace

Lane::Lane(std::shared_ptr<GatewayParts> parts, spec::Model model)
    : parts_(std::move(parts)),
      model_(std::move(model)),
      host_(parts_->clock, route::router_options(model_)) {
  read_keys();
  set_routed(parts_->routed);
}

Lane::~Lane() {
  for (auto& [id, relay] : relays_) relay->abandon();
  parts_->loop.cancel(timer_);
  for (auto& [id, timer] : lost_) parts_->loop.cancel(timer);
}

void Lane::set_model(spec::Model model) {
  if (model == model_) return;
  model_ = std::move(model);
  host_.set_options(route::router_options(model_));
  read_keys();
  arm();  // what waited for the old options may go
}

void Lane::read_keys() {
  if (model_.served_names.empty()) model_.served_names = {model_.name};
  client_keys_.clear();
  for (const auto& variable : model_.auth.client_keys_env) {
    for (auto& key : keys_in(variable, model_.name)) client_keys_.push_back(std::move(key));
  }
  upstream_key_.clear();
  if (!model_.auth.upstream_key_env.empty()) {
    auto keys = keys_in(model_.auth.upstream_key_env, model_.name);
    if (!keys.empty()) upstream_key_ = std::move(keys.front());
  }
}

void Lane::set_routed(const Gateway::Routed& routed) {
  if (!routed) return host_.set_sink(nullptr);
  host_.set_sink([name = model_.name, routed](const route::Event& event, Instant now,
                                              const std::vector<route::Action>& actions) {
    routed(name, event, now, actions);
  });
}

void Lane::close() { say(route::Shutdown{}); }

void Lane::replica_up(const route::ReplicaUp& up, const net::Address& address) {
  addresses_[up.replica] = address;
  say(up);
}

void Lane::replica_draining(ReplicaId id) { say(route::ReplicaDraining{id}); }

void Lane::replica_down(ReplicaId id) {
  if (addresses_.erase(id) == 0) return;
  // The router places these again.
  for (auto& [request, relay] : relays_) {
    if (relay->bound_to(id) && !relay->relaying()) relay->withdraw();
  }
  say(route::ReplicaDown{id});
  watch_lost(id);
}

/// A host that vanished sends not even a reset; a stream that still speaks may end.
void Lane::watch_lost(ReplicaId id) {
  const Instant since = parts_->clock.now();
  auto& timer = lost_[id];
  parts_->loop.cancel(timer);
  timer = parts_->loop.after(parts_->options.lost_grace, [this, id, since] {
    lost_.erase(id);
    if (addresses_.contains(id)) return;
    std::vector<std::shared_ptr<Relay>> hanging;
    bool speaks = false;
    for (auto& [request, relay] : relays_) {
      if (!relay->bound_to(id)) continue;
      if (relay->last_heard() > since) {
        speaks = true;
      } else {
        hanging.push_back(relay);
      }
    }
    std::sort(hanging.begin(), hanging.end(),
              [](const auto& a, const auto& b) { return a->id() < b->id(); });
    for (auto& relay : hanging) relay->replica_lost();
    if (speaks) watch_lost(id);
  });
}

void Lane::say(const route::Event& event) {
  // An action may lead to the next event before this one's are through: each has its own list.
  std::vector<route::Action> actions = std::exchange(spare_, {});
  host_.handle(event, actions);
  for (const auto& action : actions) perform(action);
  actions.clear();
  if (actions.capacity() > spare_.capacity()) spare_ = std::move(actions);
  arm();
}

Relay* Lane::find(RequestId id) const {
  auto it = relays_.find(id);
  return it == relays_.end() ? nullptr : it->second.get();
}

void Lane::perform(const route::Action& action) {
  if (const auto* d = std::get_if<route::Dispatch>(&action)) {
    if (Relay* relay = find(d->id)) relay->dispatch(d->replica, addresses_.at(d->replica));
  } else if (const auto* a = std::get_if<route::Answer>(&action)) {
    if (Relay* relay = find(a->id)) relay->answer(a->outcome, a->retry_after);
  } else if (const auto* c = std::get_if<route::Cancel>(&action)) {
    if (Relay* relay = find(c->id)) relay->cancel_call();
  } else if (const auto* e = std::get_if<route::Drained>(&action)) {
    // Later: whoever is told may speak to the gateway again.
    parts_->loop.defer([parts = parts_, name = model_.name, id = e->replica] {
      if (parts->drained) parts->drained(name, id);
    });
  }
}

/// One timer a lane, moved only when the router wants to be woken earlier than it stands.
void Lane::arm() {
  Instant wake = host_.next_wake();
  if (wake >= timer_at_) return;
  parts_->loop.cancel(timer_);
  timer_at_ = wake;
  Duration wall = parts_->clock.to_wall(std::max(Duration(0), wake - parts_->clock.now()));
  timer_ = parts_->loop.after(wall + nanos(1), [this] {
    timer_at_ = Instant::never();
    timer_ = net::Loop::TimerId::kNone;
    if (host_.next_wake() <= parts_->clock.now()) return say(route::Tick{});
    arm();
  });
}

void Lane::add(std::shared_ptr<Relay> relay) {
  ++parts_->open_requests;
  RequestId id = relay->id();
  relays_.emplace(id, std::move(relay));
}

void Lane::remove(RequestId id) { parts_->open_requests -= relays_.erase(id); }

void Lane::break_off() {
  std::vector<std::shared_ptr<Relay>> all;
  for (auto& [id, relay] : relays_) all.push_back(relay);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->id() < b->id(); });
  for (auto& relay : all) relay->break_off();
}

}  // namespace tidegate::live
