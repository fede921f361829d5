#pragma once
// LoadRun: open-loop replay of a trace against any OpenAI-compatible endpoint.
//
//   LoadRun run(loop, config, [&](workload::TraceRequest& r) { return trace->next(r); });
//   run.start([&] { loop.stop(); });
//   loop.run();
//   print(to_table(run.result()));
//
// Arrivals are kept whatever the server does: a request leaves at its time, however many are open;
// over `max_open` it is counted as lost without being sent, and said. Latencies count from the time
// the trace gives, not from when the generator came round to it, so a slow generator cannot flatter
// the server; `lateness` tells how far the two were apart. All figures are world time (wall time
// times `time_scale`).
//
// One ending a request: completed (200 and the stream ended with [DONE], no error inside); rejected
// (429, 503); timed out (our time-out; 408, 504); lost (anything else: no answer, half a stream,
// another status). TTFT is the first NON-empty delta, ITL (last - first) / (tokens - 1), E2E the
// last one. A server's usage counts the tokens where it sends one, else non-empty deltas do.
// Thread-safety: the loop's thread. Callbacks: `done` once, never from inside start() or stop().

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/model.h"
#include "core/workload/workload.h"
#include "live/load/prompt.h"
#include "live/net/http.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"

namespace tidegate::live {

struct LoadConfig {
  net::Url url;  ///< with or without /v1 at its end
  LoadEndpoint endpoint = LoadEndpoint::kCompletions;
  std::string model;           ///< what every request names; empty: what the trace says
  std::string fallback_model;  ///< where neither does
  double time_scale = 1;       ///< world seconds in one wall second
  std::uint64_t seed = 1;      ///< of the texts
  spec::Slo slo;
  Duration timeout{0};  ///< a whole request, world time; 0: none
  std::string api_key;  ///< sent as a bearer token; empty: none
  std::vector<std::string>
      priority_names;  ///< index: a request's priority; empty: the number is sent
  std::size_t max_open = 20'000;
};

struct LoadResult {
  workload::Score score;
  std::map<std::string, std::int64_t> errors;  ///< HTTP status, or connect, reset, timeout,
                                               ///< protocol, incomplete, streamError, tooManyOpen
  workload::Sketch lateness;       ///< seconds of world time a request left after its time
  std::int64_t output_tokens = 0;  ///< of completed requests
  std::int64_t sent = 0;           ///< over the wire; score.requests has those that ended
  std::int64_t open = 0;           ///< still under way (interrupted)
  std::size_t open_peak = 0;
  Duration world{0};  ///< from the start to now or the end
  Duration wall{0};
  double time_scale = 1;
  bool interrupted = false;
};

class LoadRun {
 public:
  using Source = std::function<bool(workload::TraceRequest&)>;
  LoadRun(net::Loop& loop, LoadConfig config, Source source);
  ~LoadRun();
  void start(std::function<void()> done);
  /// Breaks off what is open and ends.
  void stop();
  /// At any time; running figures until done.
  LoadResult result() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The name of the first model that GET /v1/models lists. Blocks at most `timeout` of wall time.
Result<std::string> ask_model(const net::Url& url, const std::string& api_key, Duration timeout);

/// What a report calls an answer that broke off.
std::string_view error_name(net::ClientErrorKind kind);

}  // namespace tidegate::live
