#pragma once
// Replay: the requests of a run that was recorded, through the engine model, and how far its times
// are from the recorded ones.
//
//   Replayed model = replay(run, options);
//   compare(latencies(run), latencies(model.requests));  // TTFT, TPOT, E2E: mean, p50, p95, p99
//
// Times are nanoseconds since the run's start. TTFT is first - queued, E2E last - queued, TPOT
// (last - first) / (tokens - 1). Thread-safety: functions.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/engine/engine.h"

namespace tidegate::engine {

/// One request of a run, as it was measured or as the model gives it.
struct RunRequest {
  Duration arrival{0};  ///< reached the engine
  Duration queued{0};   ///< its scheduler saw it
  Duration chosen{0};   ///< its scheduler first put it into a step
  Duration first{0};    ///< first token
  Duration last{0};     ///< last token
  std::int64_t prompt = 0;
  std::int64_t output = 0;
  std::uint8_t finished = 1;  ///< 0: it has no times beyond `arrival`
};
using RunRequests = std::vector<RunRequest>;  ///< in order of arrival

/// The engine's gauges at one time.
struct RunSample {
  Duration at{0};
  double running = 0, waiting = 0;
  double kv_usage = 0;  ///< share, 0..1
};

struct Replayed {
  RunRequests requests;
  std::vector<RunSample> samples;  ///< at the times asked for
  double peak_kv_usage = 0;        ///< of those samples
  std::int64_t preemptions = 0;
};

/// The first steps of a cold engine take longer (kernels are compiled and tuned at first use).
struct WarmUp {
  double factor = 1;       ///< of the step time, >= 1
  std::int64_t steps = 0;  ///< so many steps
};

/// Plays arrivals and lengths; the measured times are not looked at.
Replayed replay(const RunRequests& run, const Options& options,
                const std::vector<Duration>& sample_at = {}, const WarmUp& warm_up = {});

enum class Latency : std::uint8_t { kTtft, kTpot, kE2e };
inline constexpr std::array<std::string_view, 3> kLatencyNames{"TTFT", "TPOT", "E2E"};
/// Seconds; below zero: it has none (not finished, or one token's TPOT).
double latency_seconds(const RunRequest& request, Latency which);

/// Mean and percentiles (linear between ranks), in seconds.
struct Figures {
  static constexpr std::array<std::string_view, 4> kNames{"mean", "p50", "p95", "p99"};
  std::array<double, 4> values{};
  std::int64_t count = 0;
};
/// Over the requests that have the latency in both runs.
struct Comparison {
  Figures measured, predicted;
  /// predicted / measured - 1; 0 where both are 0.
  double error(std::size_t figure) const;
};
std::array<Comparison, 3> compare(const RunRequests& measured, const RunRequests& predicted);

}  // namespace tidegate::engine
