#include "live/gateway/router_host.h"

#include <utility>

namespace tidegate::live {

RouterHost::RouterHost(const net::WorldClock& clock, route::Options options)
    : clock_(clock), options_(options), router_(std::move(options)) {}

void RouterHost::handle(const route::Event& event, std::vector<route::Action>& actions) {
  actions.clear();
  std::lock_guard lock(mutex_);
  Instant now = clock_.now();
  router_.handle(event, now, actions);
  if (sink_) sink_(event, now, actions);
}

void RouterHost::set_options(route::Options options) {
  std::lock_guard lock(mutex_);
  options_ = options;
  router_.set_options(std::move(options));
}

void RouterHost::set_sink(Sink sink) {
  std::lock_guard lock(mutex_);
  sink_ = std::move(sink);
}

route::Options RouterHost::options() const {
  std::lock_guard lock(mutex_);
  return options_;
}

Instant RouterHost::next_wake() const {
  std::lock_guard lock(mutex_);
  return router_.next_wake();
}

signal::Demand RouterHost::demand() const {
  std::lock_guard lock(mutex_);
  return router_.demand(clock_.now());
}

std::int64_t RouterHost::position(RequestId id) const {
  std::lock_guard lock(mutex_);
  return router_.position(id);
}

std::vector<route::ReplicaView> RouterHost::replicas() const {
  std::lock_guard lock(mutex_);
  return router_.replicas();
}

}  // namespace tidegate::live
