#pragma once
// Rank: one data-parallel rank of an Engine, with its own batch, KV stock and clock.
//
// Time moves from plan to plan. A plan is either one step with prefill, or a run of `left`
// pure-decode steps; all that can happen (a finish, an admission, a preemption) happens where a
// plan ends. Inside a run the costs of steps form an arithmetic series and the blocks they need
// repeat with the block size, so both have closed forms, and going to any time inside a run is a
// root search.
//
// Steps are numbered from 1 without end, so what all decoding sequences share by step is kept
// relative to it: a sequence that joined in step s with p tokens attends to p - s + n tokens in
// step n, and needs a new block exactly in the steps n = 1 - (p - s) modulo the block size.
//
// Units: ns; costs in fs * 2^-20 (the step factor is a multiple of 2^-20). Thread-safety: one
// owner.

#include <cstdint>
#include <vector>

#include "core/engine/engine.h"
#include "core/engine/flat_map.h"
#include "core/engine/kv_stock.h"
#include "core/engine/sequence.h"
#include "core/engine/waiting_queue.h"

namespace tidegate::engine {

class Rank {
 public:
  static constexpr std::int64_t kNever = Instant::never().nanos();

  explicit Rank(const Options& options);

  /// Runs to `now`: whatever ends at or before it is done, and told.
  void catch_up(std::int64_t now, std::vector<EngineEvent>& events);
  // The following need catch_up(now) first.
  void submit(const EngineRequest& request, std::int64_t now);
  bool abort(RequestId id);
  void forget_cache();
  void set_step_factor(double factor);

  bool fits(const EngineRequest& request) const;
  bool knows(RequestId id) const { return slots_.find(id.value()) != FlatMap::kNone; }
  std::int64_t end() const { return end_; }
  std::int64_t load() const { return running_.size() + waiting_.size(); }
  std::int64_t generated(RequestId id) const;
  std::int64_t blocks_used() const { return kv_.total() - kv_.free(); }
  std::int64_t blocks_total() const { return kv_.total(); }
  void add_to(Stats& stats) const;  ///< all but kv_usage and the adapters' names
  const AdapterCounts& adapters() const { return adapters_; }

 private:
  enum class Doing : std::uint8_t { kNothing, kGathering, kStepping };

  // rank.cc: time and what ends with a plan
  void finish_plan(std::vector<EngineEvent>& events);
  void advance_within(std::int64_t now);
  void count_steps(std::int64_t steps);
  void tell(EventKind kind, const Sequence& sequence, std::vector<EngineEvent>& events) const;
  void end_prefills(std::vector<EngineEvent>& events);
  void end_finished(std::vector<EngineEvent>& events);
  void remove(Slot slot);
  void leave_batch(Slot slot);
  void stop_decoding(Slot slot);
  void release_leaving();
  void cut_run();
  __int128 cost_of(std::int64_t steps) const;
  std::int64_t time_after(std::int64_t steps) const;

  // rank_plan.cc: what the next plan is
  void begin(std::int64_t now);
  void plan(std::int64_t now);
  bool choose();
  bool gather(std::int64_t now);
  bool make_room();
  Slot victim() const;
  void preempt(Slot slot);
  void keep_content(Sequence& sequence);
  void admit();
  bool admit_one(Slot slot);
  void prefill(Slot slot, std::int64_t tokens);
  std::int64_t run_length() const;
  std::int64_t blocks_needed(std::int64_t first_step, std::int64_t steps) const;
  std::int64_t& joiners(const Sequence& sequence);
  std::int64_t blocks_of(std::int64_t tokens) const { return (tokens + block_ - 1) / block_; }
  std::int64_t anonymous_blocks(const Sequence& sequence) const;

  // fixed
  Profile profile_;
  std::int64_t max_seqs_, budget_, max_loras_, block_, page_tokens_, hash_stride_;
  std::int64_t batch_size_, batch_delay_;
  spec::BatchingKind batching_;
  bool prefix_caching_, by_priority_, async_, reserve_full_;
  std::int64_t factor_;

  // the requests
  Pool pool_;
  std::vector<Slot> spare_;
  FlatMap slots_;  ///< id -> slot of those in flight and not aborted
  WaitingQueue waiting_;
  SequenceList running_;  ///< in order of admission
  AdapterCounts adapters_;
  KvStock kv_;
  std::int64_t arrivals_ = 0, admissions_ = 0;

  // the decoding ones, together
  std::int64_t decoding_ = 0;
  std::int64_t offset_sum_ = 0;           ///< sum of (tokens at joining - step of joining)
  std::vector<std::int64_t> by_residue_;  ///< how many of them by that offset modulo the block size
  FinishHeap finishing_;

  // the plan in progress
  Doing doing_ = Doing::kNothing;
  std::int64_t base_ = 0;         ///< ns at which it last began from idle
  __int128 spent_ = 0;            ///< since base_, to the start of the step in progress
  std::int64_t end_ = kNever;     ///< when the plan, or the gathering, ends
  std::int64_t began_ = 0;        ///< when the plan began
  std::int64_t chosen_ = 0;       ///< when it was made; async scheduling: a step before it began
  std::int64_t left_ = 0;         ///< steps left of it, the one in progress included
  __int128 first_cost_ = 0;       ///< of the step in progress
  __int128 cost_slope_ = 0;       ///< what each further step costs more
  Slot partial_ = kNoSlot;        ///< the one sequence with part of its prompt to go
  std::vector<Slot> admitted_;    ///< for the first time, in this step
  std::vector<Slot> completing_;  ///< prefills that end with this step
  std::vector<Slot> aborting_;    ///< running, to leave with this step
  std::vector<Slot> leaving_;     ///< async scheduling: finished, released when the next is planned
  std::int64_t eligible_ = 0;     ///< async scheduling: the step in which all that wait may run
  std::int64_t prefill_tokens_ = 0;
  __int128 prefill_context_ = 0;
  std::int64_t budget_left_ = 0;
  std::int64_t batch_left_ = 0;     ///< static and dynamic batching: members still to be admitted
  bool blocked_on_cached_ = false;  ///< the head waits for blocks that eviction may shrink: walk

  // totals
  std::int64_t steps_ = 0, plans_ = 0, preemptions_ = 0;
  std::int64_t prompt_tokens_ = 0, generated_tokens_ = 0, finished_ = 0, queried_ = 0, hit_ = 0;
};

}  // namespace tidegate::engine
