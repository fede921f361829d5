#include "core/signal/observation.h"

#include <algorithm>

namespace tidegate::signal {
namespace {

/// Sum of one signal over the variants. A variant with ready replicas and no word from them takes
/// its share of the coverage away; one without ready replicas and without word says nothing either
/// way.
Signal over_variants(const Observation& o, Signal VariantObservation::*member) {
  Signal out;
  double heard = 0, all = 0;
  for (const VariantObservation& v : o.variants) {
    const Signal& s = v.*member;
    if (s.absent() && v.fleet.ready.value() <= 0) continue;
    double weight = static_cast<double>(std::max<std::int64_t>(1, v.fleet.ready.value()));
    all += weight;
    if (s.absent()) continue;
    heard += weight * s.coverage;
    if (out.absent()) {
      out = s;
      continue;
    }
    out.value += s.value;
    out.at = std::min(out.at, s.at);
    out.freshness = std::min(out.freshness, s.freshness);
  }
  if (!out.absent()) out.coverage = heard == all ? 1.0 : heard / all;
  return out;
}

/// Two parts of one whole. A part that is not known takes the coverage to zero: the value is a
/// lower bound.
Signal join(const Signal& a, const Signal& b) {
  if (a.absent() && b.absent()) return {};
  Signal out = a.absent() ? b : a;
  if (a.absent() || b.absent()) {
    out.coverage = 0;
    return out;
  }
  out.value = a.value + b.value;
  out.at = std::min(a.at, b.at);
  out.freshness = std::min(a.freshness, b.freshness);
  out.coverage = std::min(a.coverage, b.coverage);
  return out;
}

/// Nothing can wait or run in engines that are not there.
bool no_engines(const Observation& o) {
  return std::all_of(o.variants.begin(), o.variants.end(), [](const VariantObservation& v) {
    return v.fleet.ready.value() + v.fleet.draining.value() <= 0;
  });
}

Signal at_gateway(const Observation& o, std::int64_t requests) {
  Signal s = o.gateway;
  s.value = static_cast<double>(requests);
  return s;
}

}  // namespace

Signal waiting_requests(const Observation& o) {
  Signal engines = over_variants(o, &VariantObservation::engine_waiting_requests);
  if (o.gateway.absent()) {
    if (o.front_waiting_requests.absent()) return engines;
    if (engines.absent() && no_engines(o)) return o.front_waiting_requests;
    return join(o.front_waiting_requests, engines);
  }
  Signal queued = at_gateway(o, o.demand.queued_requests);
  if (engines.absent() && no_engines(o)) return queued;
  return join(queued, engines);
}

Signal in_flight_requests(const Observation& o) {
  if (!o.gateway.absent()) {
    return at_gateway(o, o.demand.queued_requests + o.demand.dispatched_requests);
  }
  const Signal running = over_variants(o, &VariantObservation::running_requests);
  const Signal waiting = waiting_requests(o);
  return running.absent() && no_engines(o) ? waiting : join(running, waiting);
}

}  // namespace tidegate::signal
