#pragma once
// Play: what would be late on a fleet that is not there, reading by reading. Internal to
// core/policy.
//
// Requests come as they came, stay for their service time and wait beyond what fits; the queue is
// as long whatever its order, who of it is late is the gateway's doing (core/route/fair_queue.h):
// where it serves who can still be in time before who is late, all are late but seven eighths of
// what is served; and everybody, once a backlog takes so long that the oldest go first. In plain
// order, or where engines queue, everybody at once. Seconds, requests. Thread-safety: functions.
//
//   const Stay stay = stay_of(in, 5, 1.9, state);
//   late += play(40, stay, state, flight);   // requests of the last reading, on 40 requests/s

#include "core/policy/laws.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// How requests stay: in the service for their life, gone a share at a time, waiting no longer than
/// allowed.
struct Stay {
  double life_seconds = 1, wait_seconds = 0, ends = 0;
  /// Who is late stands behind who is not until a backlog takes so long; 0: plain order.
  double aside_seconds = 0;
};
Stay stay_of(const Input& in, double service_seconds, double wait_seconds, const TideState& state);

/// What came since the last reading joins `flight` requests where `serves` requests/s are
/// sustained; how many are late of it.
double play(double serves, const Stay& stay, const TideState& state, double& flight);

}  // namespace tidegate::policy
