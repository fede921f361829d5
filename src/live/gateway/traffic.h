#pragma once
// Traffic: what one model's requests became, as seen at the gateway. World time, seconds.
//
// TTFT runs from arrival to the first content token of a stream; ITL is (last - first) / (tokens -
// 1) of a request; E2E runs to the last byte. A request that is not streamed shows its client no
// first token: it counts for E2E alone and its SLO is judged by E2E alone. Tokens are the engine's
// usage where it says so, else content events. Thread-safety: one owner.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/time.h"
#include "core/route/router.h"
#include "core/signal/observation.h"
#include "core/spec/model.h"
#include "core/workload/recent.h"
#include "core/workload/workload.h"

namespace tidegate::live {

inline constexpr std::size_t kOutcomes = std::size(EnumTokens<route::Outcome>::kTokens);

/// Counts per bucket (not cumulative); the last exceeds all bounds.
struct LatencyHistogram {
  static constexpr std::array<double, 20> kBounds = {0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08,
                                                     0.1,   0.2,  0.5,  1,    2,    4,    8,
                                                     15,    30,   60,   120,  300,  600};
  std::array<std::int64_t, kBounds.size() + 1> counts{};
  double sum = 0;
  void add(double seconds);
};

/// How one request ended.
struct Ended {
  route::Outcome outcome = route::Outcome::kCompleted;
  int status = 200;  ///< the engine's, for kCompleted
  bool streamed = false;
  Duration queued{0};  ///< arrival to the (last) binding
  bool bound = false;
  Duration ttft{0};  ///< zero: no token was seen
  Duration e2e{0};
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens = 0;
};

struct Traffic {
  std::array<std::int64_t, kOutcomes> by_outcome{};  ///< index: route::Outcome
  std::int64_t engine_errors = 0;                    ///< completed with a status of 400 and above
  std::int64_t judged = 0;  ///< requests the SLO was held against: all but client_gone
  std::int64_t met = 0;
  std::int64_t prompt_tokens = 0, output_tokens = 0;  ///< of completed requests
  std::int64_t retries = 0;
  workload::Sketch ttft, itl, e2e, queued;
  LatencyHistogram ttft_seconds, itl_seconds, e2e_seconds, queue_seconds;
  workload::RecentQuantile recent_ttft, recent_itl;

  void add(const Ended& ended, const spec::Model& model, Instant now);
  std::int64_t requests() const;
  /// Share of judged requests that met the SLO; 1 when there were none.
  double attainment() const {
    return judged == 0 ? 1 : static_cast<double>(met) / static_cast<double>(judged);
  }
};

}  // namespace tidegate::live
