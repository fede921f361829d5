#include "core/policy/tide_play.h"

#include <algorithm>

namespace tidegate::policy {

namespace {
/// Nobody lets a queue grow for longer than this without seeing it.
constexpr double kUnseenSeconds = 60;
constexpr double kLifeAndMean = 2;
/// By the gateway's order: of what is served of a backlog, who is not late yet; and the share of
/// its time after which a request goes first, late or not.
constexpr double kServedInTime = 7.0 / 8, kStaysAside = 0.75;
}  // namespace

Stay stay_of(const Input& in, double service_seconds, double wait_seconds, const TideState& s) {
  Stay out;
  // A bound on the pace of a whole request sees the mean of its life.
  out.life_seconds = std::max(1e-3, service_seconds * (wait_seconds > 0 ? 1 : kLifeAndMean));
  out.wait_seconds = wait_seconds;
  out.ends = std::min(1.0, s.tick_seconds / out.life_seconds);
  if (gateway_known(in.seen) && in.model.queue.order == spec::QueueOrder::kSlo &&
      in.model.slo.ttft) {
    out.aside_seconds = kStaysAside * to_seconds(in.model.queue.max_wait);
  }
  return out;
}

double play(double serves, const Stay& stay, const TideState& s, double& flight) {
  const double slots = serves * stay.life_seconds;
  flight += s.tick_requests;
  const double waiting = flight - slots, served = std::min(flight, slots) * stay.ends;
  double late = 0;
  if (waiting > serves * stay.wait_seconds + 1e-9) {
    const bool all = waiting > serves * stay.aside_seconds;
    late = all ? s.tick_requests : std::max(0.0, s.tick_requests - kServedInTime * served);
  }
  const double unseen = kUnseenSeconds * std::max(s.last, s.tick_requests / s.tick_seconds);
  flight = std::min(flight - served, slots + unseen);
  return late;
}

}  // namespace tidegate::policy
