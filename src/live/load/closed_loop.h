#pragma once
// ClosedLoop: so many clients against an endpoint, each sending its next request when its last one
// has ended; the times of those sent in steady state.
//
//   ClosedLoop point(loop, config);
//   point.start([&] { use(point.result()); });
//
// The first request of every client opens: its answer is cut short, each by another share, so that
// the clients stand at all points of a request from then on. What is sent once the last of them has
// ended is measured, `measured` requests; further ones keep the load up until those have ended, and
// are then broken off. No two prompts share a prefix. Times are world time (wall time x
// time_scale), counts the engine's own where its streams end with a usage. Ends by itself after
// kMostErrors failed requests or at the deadline, with what there is. Thread-safety: the loop's
// thread. `done` is called once, never from inside start() or stop().

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/sweep.h"
#include "live/load/endpoint.h"
#include "live/net/loop.h"

namespace tidegate::live {

struct ClosedLoopConfig {
  EndpointAccess access;  ///< with the model named
  EndpointFacts facts;    ///< how long a word is, and whether ignore_eos is taken
  engine::SweepPoint point;
  double time_scale = 1;
  std::uint64_t unique = 1;  ///< the texts'; no two points of a run alike
  Duration deadline{0};      ///< world time from the start; 0: none
};

struct ClosedLoopResult {
  std::vector<engine::SweepRequest> requests;  ///< measured ones that ended whole
  std::map<std::string, std::int64_t> errors;  ///< as LoadResult's
  std::string first_error;                     ///< in words
  std::int64_t tokens = 0;                     ///< prompts and answers, as far as they came
  Duration world{0};
  bool overran = false;  ///< the deadline came first
  bool stopped = false;
};

class ClosedLoop {
 public:
  static constexpr std::int64_t kMostErrors = 3;
  ClosedLoop(net::Loop& loop, ClosedLoopConfig config);
  ~ClosedLoop();
  void start(std::function<void()> done);
  /// Breaks off what is open and ends.
  void stop();
  /// All clients have opened, and measured requests are under way.
  bool steady() const;
  std::int64_t measured_so_far() const;
  const ClosedLoopResult& result() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live
