#pragma once
// SweepRun: measures the points of core/engine/sweep.h on a live endpoint, one after the other.
//
//   SweepRun run(loop, {.access = access, .facts = facts, .ask = {.max_concurrency = 64}});
//   run.start([&] { loop.stop(); });
//   loop.run();
//   fit(run.result().measured);
//
// While a point is steady its engine's metrics page is read every kSampleEvery, and once before and
// after it for the prefix cache. A point that is no measurement is left out, with
// the cause in words. Three in a row that failed end the sweep: `failure` says why. Durations are
// world time. Thread-safety: the loop's thread. `done` is called once, never
// from inside start() or stop().

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/sweep.h"
#include "live/load/closed_loop.h"
#include "live/load/endpoint.h"
#include "live/net/loop.h"

namespace tidegate::live {

struct SweepConfig {
  EndpointAccess access;
  EndpointFacts facts;
  engine::SweepAsk ask;
  double time_scale = 1;
  std::uint64_t unique = 1;  ///< of the texts: another for every run, or the engine knows them
};

struct SweepDropped {
  engine::SweepPoint point;
  engine::SweepDrop drop = engine::SweepDrop::kNone;
  std::string words;
};

struct SweepResult {
  std::vector<engine::SweepMeasured> measured;  ///< in the order they were taken
  std::vector<SweepDropped> dropped;
  std::size_t points = 0;           ///< planned
  std::size_t left_out = 0;         ///< for want of budget, or over a limit that was found
  std::int64_t sequence_limit = 0;  ///< the engine's maxNumSeqs as it showed; 0: it did not
  double cached_share = 0;          ///< of all prompts' tokens, found in the engine's prefix cache
  std::int64_t tokens = 0;
  Duration world{0};
  std::string failure;  ///< why it gave up; empty: it did not
  bool interrupted = false;
};

class SweepRun {
 public:
  static constexpr Duration kSampleEvery = millis(100);
  static constexpr std::size_t kMostFailures = 3;
  SweepRun(net::Loop& loop, SweepConfig config);
  ~SweepRun();
  void start(std::function<void()> done);
  /// Breaks off the point under way and ends.
  void stop();
  const SweepResult& result() const;
  /// "  7/20 points, 64 clients x 512+128, 1m10s of 5m0s"
  std::string progress() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live
