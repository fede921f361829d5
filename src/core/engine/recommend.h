#pragma once
// Recommend: how many requests at once one replica should be given, by the engine model.
//
//   Recommendation r = recommend({.options = fit.options, .prompt = 512, .output = 128,
//                                 .itl_seconds = 0.060, .most = 256});
//   r.concurrency_target;  // the most clients at which mean ITL and TTFT keep their bounds
//
// maxNumSeqs is the engine's own limit: the most sequences that keep the ITL bound and fit its KV
// to their last token. concurrencyTarget is what to send it: no more than that, and no more than
// keeps the TTFT bound. Without a bound it is the knee: the fewest that give 90 % of the most
// output tokens a second. Figures are means of a closed loop of equal requests
// (core/engine/grid.h): tails and bursts are the simulator's. Seconds. Thread-safety: a function.

#include <cstdint>
#include <string_view>

#include "core/base/fields.h"
#include "core/engine/grid.h"

namespace tidegate::engine {

enum class RecommendBinding : std::uint8_t {
  kItl,
  kTtft,
  kKv,
  kMost,        ///< `most` keeps all bounds
  kKnee,        ///< no bound was given
  kInfeasible,  ///< one request alone breaks a bound
};

struct RecommendAsk {
  Options options;
  GridClient client;  ///< its front end counts to TTFT
  std::int64_t prompt = 512, output = 128;
  double itl_seconds = 0, ttft_seconds = 0;  ///< 0: no bound
  std::int64_t most = 256;                   ///< clients; what was measured, or the engine's limit
  bool kv_known = false;                     ///< else it is no limit
};

struct AtClients {
  std::int64_t clients = 1;
  double ttft_seconds = 0, itl_seconds = 0, output_tokens_per_second = 0;
};
AtClients at_clients(const RecommendAsk& ask, std::int64_t clients);

struct Recommendation {
  RecommendBinding binding = RecommendBinding::kMost;
  std::int64_t max_num_seqs = 1, concurrency_target = 1;
  AtClients here;  ///< at concurrency_target
  AtClients next;  ///< at one more; the same where `most` binds
};
Recommendation recommend(const RecommendAsk& ask);

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::RecommendBinding> {
  static constexpr std::string_view kTokens[] = {"itl", "ttft", "kv", "most", "knee", "infeasible"};
};
}  // namespace tidegate
