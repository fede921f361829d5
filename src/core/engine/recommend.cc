#include "core/engine/recommend.h"

#include <algorithm>
#include <functional>

namespace tidegate::engine {
namespace {

constexpr double kKneeShare = 0.9;

/// The largest n in [low, high] with keeps(n); low where none has. `keeps` holds up to some n.
std::int64_t last_that(std::int64_t low, std::int64_t high,
                       const std::function<bool(std::int64_t)>& keeps) {
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (keeps(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

AtClients at_clients(const RecommendAsk& ask, std::int64_t clients) {
  Options options = ask.options;
  options.max_num_seqs = std::max(options.max_num_seqs, clients);
  options.max_num_batched_tokens = std::max(options.max_num_batched_tokens, options.max_num_seqs);
  const GridPrediction p =
      predict(options, {GridKind::kClosedLoop, ask.prompt, ask.output, clients}, ask.client);
  AtClients out{clients, p.ttft_seconds, p.tpot_seconds, 0};
  const double whole = p.ttft_seconds + p.tpot_seconds * static_cast<double>(ask.output - 1);
  if (whole > 0) out.output_tokens_per_second = static_cast<double>(clients * ask.output) / whole;
  return out;
}

Recommendation recommend(const RecommendAsk& ask) {
  Recommendation out;
  std::int64_t most = std::max<std::int64_t>(1, ask.most);
  if (ask.kv_known) {
    const auto ranks = std::max<std::int64_t>(1, ask.options.data_parallel_size);
    const std::int64_t fit = ranks * (ask.options.profile.kv_tokens /
                                      std::max<std::int64_t>(1, ask.prompt + ask.output));
    if (fit < most) {
      most = std::max<std::int64_t>(1, fit);
      out.binding = RecommendBinding::kKv;
    }
  }
  auto itl_kept = [&](const AtClients& at) {
    return ask.itl_seconds <= 0 || at.itl_seconds <= ask.itl_seconds;
  };
  auto ttft_kept = [&](const AtClients& at) {
    return ask.ttft_seconds <= 0 || at.ttft_seconds <= ask.ttft_seconds;
  };
  out.max_num_seqs =
      last_that(1, most, [&](std::int64_t n) { return itl_kept(at_clients(ask, n)); });
  if (out.max_num_seqs < most) out.binding = RecommendBinding::kItl;
  out.concurrency_target =
      last_that(1, out.max_num_seqs, [&](std::int64_t n) { return ttft_kept(at_clients(ask, n)); });
  if (out.concurrency_target < out.max_num_seqs) out.binding = RecommendBinding::kTtft;
  if (ask.itl_seconds <= 0 && ask.ttft_seconds <= 0) {
    const double enough = kKneeShare * at_clients(ask, most).output_tokens_per_second;
    const std::int64_t below = last_that(0, most, [&](std::int64_t n) {
      return n == 0 || at_clients(ask, n).output_tokens_per_second < enough;
    });
    out.concurrency_target = std::min(most, below + 1);
    out.binding = RecommendBinding::kKnee;
  }
  out.here = at_clients(ask, out.concurrency_target);
  if (!itl_kept(out.here) || !ttft_kept(out.here)) out.binding = RecommendBinding::kInfeasible;
  const bool ends = out.binding == RecommendBinding::kMost;
  out.next = ends ? out.here : at_clients(ask, out.concurrency_target + 1);
  return out;
}

}  // namespace tidegate::engine
