#pragma once
// Engine: how one replica behaves. Continuous batching with chunked prefill, paged KV, preemption
// and prefix cache in vLLM V1's order; time comes in as a value.
//
//   Engine e(options);
//   e.submit(request, now);
//   while (e.next_event() <= until) e.advance(e.next_event(), events);
//
// Each step runs up to maxNumBatchedTokens tokens: running sequences first (one token per decoding
// sequence, the rest prefill chunks), then waiting ones FCFS (or by priority), none in a step with
// a preemption. On KV exhaustion the last of the running is preempted and recomputed. A step's time
// is the profile's law in integer femtoseconds; nanoseconds are rounded once, at each observable
// boundary, so a closed form over k pure-decode steps equals walking them. O(1) a step whatever the
// batch, O(log n) a request. Thread-safety: one owner. Source: vllm/v1/core/sched/scheduler.py
// (behaviour, not code).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/engine/profile.h"
#include "core/spec/model.h"

namespace tidegate::engine {

struct EngineRequest {
  RequestId id;
  Tokens prompt;              ///< >= 1
  Tokens output;              ///< tokens it will generate, >= 1
  std::int64_t priority = 0;  ///< lower is earlier; only with Options::priority_scheduling
  std::int32_t adapter = -1;  ///< LoRA slot user; -1: base model
  std::vector<std::uint64_t>
      prefix;  ///< chained hashes of the prompt's full blocks of prefix_block tokens
};

struct Options {
  Profile profile;
  std::int64_t max_num_seqs = 256;
  std::int64_t max_num_batched_tokens = 2'048;
  /// Ranks, at least the profile's; a request goes to the one with least waiting + running.
  std::int64_t data_parallel_size = 1;
  std::int64_t max_loras = 0;             ///< 0: LoRA off
  std::int64_t prefix_block_tokens = 16;  ///< what one hash of EngineRequest::prefix covers
  std::uint8_t prefix_caching = 1;
  std::uint8_t priority_scheduling = 0;
  spec::BatchingKind batching = spec::BatchingKind::kContinuous;
  std::int64_t batch_size = 32;       ///< static and dynamic batching: most requests a batch
  Duration batch_delay = millis(50);  ///< dynamic batching: wait this long for the batch to fill
  double step_factor = 1;  ///< interference, slow-step fault: multiplies every step, >= 1
};

enum class EventKind : std::uint8_t { kScheduled, kFirstToken, kFinished, kRejected };
struct EngineEvent {
  EventKind kind = EventKind::kFinished;
  RequestId id;
  Instant at;                      ///< end of the step it became visible in
  std::int64_t cached_tokens = 0;  ///< kScheduled: prompt tokens served from the prefix cache
  Instant began{};                 ///< kScheduled: start of that step, i.e. when its queueing ended
  Instant queued{};  ///< kScheduled: when the scheduler saw it, the first boundary after submit()
  Instant chosen{};  ///< kScheduled: when it was put into that step: `began`, or a step earlier
};

/// Gauges and cumulative counters, as an engine would expose them.
struct Stats {
  std::int64_t running = 0, waiting = 0;
  double kv_usage = 0;  ///< share of blocks in use, 0..1
  std::int64_t preemptions_total = 0;
  std::int64_t prompt_tokens_total = 0;  ///< prefilled (cached ones included, as vLLM counts)
  std::int64_t generation_tokens_total = 0;
  std::int64_t finished_total = 0;  ///< requests that ended whole
  std::int64_t prefix_queries_tokens_total = 0, prefix_hits_tokens_total = 0;
  std::int64_t steps_total = 0;
  std::int64_t deferred = 0;     ///< of `waiting`: those that wait for a LoRA slot
  std::int64_t plans_total = 0;  ///< work done: a run of pure decode is one plan however long
  std::vector<std::int32_t> running_adapters, waiting_adapters;
};

class Engine {
 public:
  explicit Engine(Options options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Hands over a request at `now` (an earlier time than that of the last call counts as that one);
  /// its id must not be in flight. A request that can never fit (prompt + output over max_model_len
  /// or over all KV, or either below 1) yields kRejected. Idle: a step begins at `now`; else it
  /// joins at the first step boundary after `now`.
  void submit(const EngineRequest& request, Instant now);
  /// Stops it in whatever phase; its KV is free from the end of the current step, and no later
  /// event names it. False: unknown.
  bool abort(RequestId id, Instant now);
  /// When to advance next: never later than the next visible event (it may be a boundary without
  /// one, such as the end of a chunk); never() while idle. Polling more often changes no outcome.
  Instant next_event() const;
  /// Runs up to and including `now`, appending what became visible, in order of (time, id).
  void advance(Instant now, std::vector<EngineEvent>& events);
  /// Output tokens visible at the time of the last call; 0 before the first, or when unknown. O(1).
  std::int64_t generated(RequestId id) const;
  Stats stats() const;
  /// Sleep drops the KV and prefix cache; running requests are aborted by the caller first.
  void reset_cache();
  /// Online slow-down, from the next step on; held to [1, 1e6] in steps of 2^-20.
  void set_step_factor(double factor);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Time of one step in femtoseconds (exposed for tests, fits and sizing). A decoding sequence's
/// context counts the token being computed; prefill_times_context is the sum over the step's
/// prefill tokens of the tokens each attends to, itself included: cutting a prompt into chunks does
/// not change the total.
__int128 step_femtos(const Profile& profile, std::int64_t prefill_tokens, std::int64_t decode_seqs,
                     std::int64_t decode_context_sum, __int128 prefill_times_context);

}  // namespace tidegate::engine
