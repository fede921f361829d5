#include "live/gateway/traffic.h"

#include <algorithm>
#include <numeric>

namespace tidegate::live {

using route::Outcome;

void LatencyHistogram::add(double seconds) {
  auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += seconds;
}

namespace {

workload::Ending ending_of(const Ended& ended) {
  switch (ended.outcome) {
    case Outcome::kCompleted:
      return ended.status < 400 ? workload::Ending::kCompleted : workload::Ending::kRejected;
    case Outcome::kQueueTimeout:
      return workload::Ending::kTimedOut;
    case Outcome::kUpstreamFailed:
    case Outcome::kUpstreamLost:
    case Outcome::kClientGone:
      return workload::Ending::kLost;
    default:
      return workload::Ending::kRejected;
  }
}

bool met(const Ended& ended, const spec::Slo& slo) {
  workload::Served served{ending_of(ended), ended.ttft, ended.e2e, Tokens(ended.output_tokens)};
  if (ended.streamed) return workload::met(slo, served);
  spec::Slo whole;  // its client sees no token before the last
  whole.e2e = slo.e2e;
  return workload::met(whole, served);
}

}  // namespace

void Traffic::add(const Ended& ended, const spec::Model& model, Instant now) {
  ++by_outcome[static_cast<std::size_t>(ended.outcome)];
  bool own_error = ended.outcome == Outcome::kCompleted && ended.status >= 400;
  engine_errors += own_error ? 1 : 0;
  // A client's own mistake (4xx of the engine) or its leaving says nothing about the service.
  if (ended.outcome != Outcome::kClientGone && !(own_error && ended.status < 500)) {
    ++judged;
    met += live::met(ended, model.slo) ? 1 : 0;
  }
  if (ended.bound) {
    queued.add(to_seconds(ended.queued));
    queue_seconds.add(to_seconds(ended.queued));
  }
  if (ended.outcome != Outcome::kCompleted || own_error) return;
  prompt_tokens += ended.prompt_tokens;
  output_tokens += ended.output_tokens;
  e2e.add(to_seconds(ended.e2e));
  e2e_seconds.add(to_seconds(ended.e2e));
  if (!ended.streamed || ended.ttft <= Duration(0)) return;
  double first = to_seconds(ended.ttft);
  ttft.add(first);
  ttft_seconds.add(first);
  recent_ttft.add(first, now, model.scaling.window);
  if (ended.output_tokens < 2) return;
  double gap = (to_seconds(ended.e2e) - first) / static_cast<double>(ended.output_tokens - 1);
  itl.add(gap);
  itl_seconds.add(gap);
  recent_itl.add(gap, now, model.scaling.window);
}

std::int64_t Traffic::requests() const {
  return std::accumulate(by_outcome.begin(), by_outcome.end(), std::int64_t{0});
}

}  // namespace tidegate::live
