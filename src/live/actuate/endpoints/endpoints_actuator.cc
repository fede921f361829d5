#include "live/actuate/endpoints/endpoints_actuator.h"

#include "core/base/check.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

Result<std::vector<net::Address>> addresses_of(const spec::Variant& variant) {
  const auto* target = std::get_if<spec::EndpointsTarget>(&variant.target);
  if (target == nullptr) return fail("variant " + variant.name + ": not an endpoints target");
  if (target->urls.empty())
    return fail("variant " + variant.name + ": endpoints: give at least one URL");
  auto parsed = parse_endpoints(target->urls);
  if (!parsed) return fail(parsed.error().within("variant " + variant.name));
  return parsed;
}

}  // namespace

Result<std::unique_ptr<EndpointsActuator>> EndpointsActuator::create(EndpointWorld world,
                                                                     const spec::Model&,
                                                                     const spec::Variant& variant,
                                                                     ActuatorSink sink,
                                                                     EndpointOptions options) {
  auto addresses = addresses_of(variant);
  if (!addresses) return fail(addresses.error());
  return std::unique_ptr<EndpointsActuator>(
      new EndpointsActuator(world, variant, std::move(sink), options, std::move(*addresses)));
}

EndpointsActuator::EndpointsActuator(EndpointWorld world, const spec::Variant& variant,
                                     ActuatorSink sink, EndpointOptions options,
                                     std::vector<net::Address> addresses)
    : variant_(variant.name),
      reporter_(world.loop, std::move(sink)),
      addresses_(std::move(addresses)),
      set_(world, variant.name, reporter_, options) {}

void EndpointsActuator::adopt() { set_.assign(addresses_); }

void EndpointsActuator::apply(const control::Apply& wanted) {
  bool as_is = wanted.replicas.value() == static_cast<std::int64_t>(addresses_.size());
  reporter_.applied(
      {variant_, wanted.replicas.value(), std::uint8_t{as_is},
       as_is ? ""
             : "endpoints are not ours to scale; there are " + std::to_string(addresses_.size())});
}

void EndpointsActuator::reload(const spec::Model&, const spec::Variant& variant) {
  auto addresses = addresses_of(variant);
  if (!addresses) {
    return net::log(net::Level::kError, "reload refused", {{"error", addresses.error().message}});
  }
  addresses_ = std::move(*addresses);
  set_.assign(addresses_);
}

void EndpointsActuator::shutdown(std::function<void()> done) {
  set_.assign({});
  reporter_.tell(std::move(done));
}

}  // namespace tidegate::live
