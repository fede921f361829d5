#pragma once
// EndpointsActuator: engines that already run. We route and recommend; how many there are is not
// ours.
//
//   EndpointWorld world{loop, client, clock, journal};
//   auto actuator = EndpointsActuator::create(world, model, variant, sink);
//   (*actuator)->adopt();      // each URL becomes a replica, probed once a second
//
// apply() is refused unless it asks for what is there. sleep() and wake() do nothing.
// Thread-safety: the loop's thread.

#include "live/actuate/endpoints/endpoint_set.h"

namespace tidegate::live {

class EndpointsActuator final : public Actuator {
 public:
  /// Error: a bad URL (https too), or none at all.
  static Result<std::unique_ptr<EndpointsActuator>> create(EndpointWorld world,
                                                           const spec::Model& model,
                                                           const spec::Variant& variant,
                                                           ActuatorSink sink,
                                                           EndpointOptions options = {});

  void adopt() override;
  void apply(const control::Apply& wanted) override;
  void drained(ReplicaId) override {}
  void sleep(ReplicaId, int) override {}
  void wake(ReplicaId) override {}
  void reload(const spec::Model& model, const spec::Variant& variant) override;
  std::vector<ReplicaInfo> replicas() const override { return set_.replicas(); }
  void shutdown(std::function<void()> done) override;

 private:
  EndpointsActuator(EndpointWorld world, const spec::Variant& variant, ActuatorSink sink,
                    EndpointOptions options, std::vector<net::Address> addresses);

  std::string variant_;
  Reporter reporter_;
  std::vector<net::Address> addresses_;
  EndpointSet set_;
};

}  // namespace tidegate::live
