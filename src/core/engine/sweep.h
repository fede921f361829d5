#pragma once
// Sweep: which points to measure on a live engine, one after the other, and what a point's requests
// say. Pure: who sends them is live/load/sweep_run.h.
//
//   Sweep sweep({.max_concurrency = 64, .budget_seconds = 300});
//   while (auto point = sweep.next(spent_seconds, spent_tokens)) {
//     Judged judged = judge(*point, requests, samples, cache);
//     if (judged.drop == SweepDrop::kNone) sweep.measured(judged.measured);
//   }
//
// Four series tell the five coefficients apart: clients 1, 2, 4, ... at one length (c0, c2 with
// c3), prompts of 128 to 32,768 tokens alone (c1, c4), long prompts with several clients (c3), and
// short ones with many (c2). The points that cost fewest tokens come first, so that what an
// interruption leaves is of use. A point that the rest of the budget cannot pay, by what was
// measured so far, has its answers shortened, or is left out and counted. Seconds are world time.
// Thread-safety: one owner.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/fields.h"
#include "core/engine/grid.h"

namespace tidegate::engine {

enum class SweepSeries : std::uint8_t { kConcurrency, kPrompts, kContext, kShortPrompts };

struct SweepAsk {
  std::int64_t max_concurrency = 256;       ///< >= 1
  std::int64_t max_model_len = 131'072;     ///< a prompt and its answer fit
  std::int64_t kv_tokens = 0;               ///< all points fit; 0: not known
  std::int64_t prompt = 512, output = 128;  ///< of the concurrency series, >= 1
  double budget_seconds = 300;
  std::int64_t budget_tokens = 4'000'000;  ///< prompts and answers
};

struct SweepPoint {
  SweepSeries series = SweepSeries::kConcurrency;
  std::int64_t prompt = 0, output = 0, concurrency = 1;
  /// Requests whose times count.
  std::int64_t measured_requests() const;
  /// At most, of all requests, those of the opening and of the end included.
  std::int64_t tokens() const;
};

/// All points of an ask, the cheapest first; no two alike.
std::vector<SweepPoint> sweep_points(const SweepAsk& ask);

/// One request of a point that ended whole.
struct SweepRequest {
  std::int64_t prompt = 0, output = 0;        ///< as the engine counted
  double ttft_seconds = 0, last_seconds = 0;  ///< since it was sent
};
/// The engine's gauges while the point was in steady state; below zero: not on its page.
struct SweepSample {
  double running = -1, waiting = -1, kv_usage = -1;
};
/// Prefix cache over a point, in tokens; both zero where the engine does not count them.
struct SweepCache {
  double query_tokens = 0, hit_tokens = 0;
};

struct SweepMeasured {
  SweepPoint point;  ///< with the lengths as the engine counted them
  std::int64_t requests = 0;
  double ttft_seconds = 0, ttft_p95_seconds = 0, tpot_seconds = 0;  ///< means but the p95
  double output_tokens_per_second = 0;                              ///< of all clients
  double running = -1, waiting = -1, kv_usage = -1;  ///< means; below zero: not known
  double cached_share = 0;                           ///< of the prompts' tokens
  GridPoint grid() const;
};

enum class SweepDrop : std::uint8_t {
  kNone,
  kErrors,        ///< requests were refused or broken off
  kFewRequests,   ///< too few ended
  kNonsense,      ///< times that cannot be
  kOnePiece,      ///< whole answers came at once: it does not stream
  kShortAnswers,  ///< a token or none
  kQueued,        ///< the engine let requests wait: a limit, not its speed, was measured
  kCached,        ///< prompts were found in its prefix cache
};

struct Judged {
  SweepDrop drop = SweepDrop::kNone;
  SweepMeasured measured;
  /// kQueued, and the batch stood at one number with KV to spare: the engine's maxNumSeqs.
  std::optional<std::int64_t> sequence_limit;
};
Judged judge(const SweepPoint& point, const std::vector<SweepRequest>& requests,
             const std::vector<SweepSample>& samples, const SweepCache& cache);

class Sweep {
 public:
  explicit Sweep(SweepAsk ask);
  /// The next point, given what was spent so far; nothing when all were given or none can be paid.
  std::optional<SweepPoint> next(double spent_seconds, std::int64_t spent_tokens);
  void measured(const SweepMeasured& point);
  /// No further point has more clients.
  void limit(std::int64_t clients);
  /// What a point will take, judged by what was measured; 0 before the first.
  double estimate_seconds(const SweepPoint& point) const;
  std::size_t points() const { return points_.size(); }
  std::size_t given() const { return given_; }
  std::size_t left_out() const { return left_out_; }  ///< for want of budget or by limit()

 private:
  SweepAsk ask_;
  std::vector<SweepPoint> points_;
  std::vector<SweepMeasured> measured_;
  std::size_t given_ = 0, left_out_ = 0, at_ = 0;
  std::int64_t most_clients_;
};

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::SweepSeries> {
  static constexpr std::string_view kTokens[] = {"concurrency", "prompts", "context",
                                                 "shortPrompts"};
};
template <>
struct EnumTokens<engine::SweepDrop> {
  static constexpr std::string_view kTokens[] = {"none",     "errors",      "fewRequests",
                                                 "nonsense", "onePiece",    "shortAnswers",
                                                 "queued",   "prefixCached"};
};
}  // namespace tidegate
