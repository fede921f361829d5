#pragma once
// RouterHost: one model's router with its lock and its clock.
//
//   RouterHost host(clock, options);
//   host.handle(Arrived{...}, actions);  // `now` is read inside the lock: events keep their order
//
// The sink sees every event with its time and the actions it gave, in order, inside the lock: the
// tape. Whoever calls handle() performs the actions of the requests it owns (one router per
// model behind one mutex). Thread-safety: all members may be called from any thread.

#include <functional>
#include <mutex>
#include <vector>

#include "core/route/router.h"
#include "core/spec/model.h"
#include "live/net/clock.h"

namespace tidegate::live {

class RouterHost {
 public:
  using Sink = std::function<void(const route::Event& event, Instant now,
                                  const std::vector<route::Action>& actions)>;
  RouterHost(const net::WorldClock& clock, route::Options options);

  /// Replaces the contents of `actions`.
  void handle(const route::Event& event, std::vector<route::Action>& actions);
  void set_options(route::Options options);
  void set_sink(Sink sink);

  route::Options options() const;
  Instant next_wake() const;
  signal::Demand demand() const;
  std::int64_t position(RequestId id) const;
  std::vector<route::ReplicaView> replicas() const;

 private:
  const net::WorldClock& clock_;
  mutable std::mutex mutex_;
  route::Options options_;
  route::Router router_;
  Sink sink_;
};

}  // namespace tidegate::live
