#include "core/engine/rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"

namespace tidegate::engine {
namespace {

constexpr int kFactorBits = 20;
constexpr __int128 kUnitsPerNano = __int128{1'000'000} << kFactorBits;

std::int64_t factor_of(double factor) {
  constexpr double kMost = 1e6;
  if (!(factor > 1)) return std::int64_t{1} << kFactorBits;  // NaN too
  return static_cast<std::int64_t>(std::min(factor, kMost) * (1 << kFactorBits) + 0.5);
}

std::int64_t at_least(std::int64_t least, std::int64_t value) { return std::max(least, value); }

/// Adapters never share KV: the same text under another adapter is another prefix.
std::uint64_t page_of(std::uint64_t hash, std::int32_t adapter) {
  return adapter < 0 ? hash
                     : hash ^ ((static_cast<std::uint64_t>(adapter) + 1) * 0xD6E8FEB86659FD93);
}

}  // namespace

Rank::Rank(const Options& options)
    : profile_(options.profile),
      budget_(at_least(1, options.max_num_batched_tokens)),
      max_loras_(at_least(0, options.max_loras)),
      block_(at_least(1, options.profile.block_size)),
      batch_size_(at_least(1, options.batch_size)),
      batch_delay_(at_least(0, options.batch_delay.count())),
      batching_(options.batching),
      prefix_caching_(options.prefix_caching != 0),
      by_priority_(options.priority_scheduling != 0),
      async_(options.profile.async_scheduling != 0 &&
             options.batching == spec::BatchingKind::kContinuous),
      reserve_full_(options.profile.reserve_full_prompt != 0),
      factor_(factor_of(options.step_factor)),
      waiting_(by_priority_),
      // A page must be whole in hashes and in blocks.
      kv_(at_least(1, options.profile.kv_tokens / block_),
          std::lcm(block_, at_least(1, options.prefix_block_tokens)) / block_),
      by_residue_(static_cast<std::size_t>(block_)) {
  // Every decoding sequence has a token a step (vLLM refuses a budget below max_num_seqs).
  max_seqs_ = std::min(at_least(1, options.max_num_seqs), budget_);
  page_tokens_ = std::lcm(block_, at_least(1, options.prefix_block_tokens));
  hash_stride_ = page_tokens_ / at_least(1, options.prefix_block_tokens);
  for (std::int64_t* c :
       {&profile_.c0_fs, &profile_.c1_fs, &profile_.c2_fs, &profile_.c3_fs, &profile_.c4_fs}) {
    *c = at_least(0, *c);
  }
}

void Rank::catch_up(std::int64_t now, std::vector<EngineEvent>& events) {
  while (doing_ != Doing::kNothing && end_ <= now) {
    if (doing_ == Doing::kGathering) {
      begin(end_);
    } else {
      finish_plan(events);
    }
  }
  if (doing_ == Doing::kStepping && left_ > 1) advance_within(now);
}

bool Rank::fits(const EngineRequest& request) const {
  std::int64_t prompt = request.prompt.value(), output = request.output.value();
  if (prompt < 1 || output < 1 || prompt > profile_.max_model_len) return false;
  if (output > profile_.max_model_len - prompt) return false;
  return blocks_of(prompt + output) <= kv_.total();
}

void Rank::submit(const EngineRequest& request, std::int64_t now) {
  Slot slot = static_cast<Slot>(pool_.size());
  if (spare_.empty()) {
    pool_.emplace_back();
  } else {
    slot = spare_.back();
    spare_.pop_back();
  }
  Sequence& q = pool_[slot];
  q.id = request.id;
  q.prompt = request.prompt.value();
  q.output = request.output.value();
  q.priority = request.priority;
  q.arrival = ++arrivals_;
  q.submitted = now;
  q.queued = doing_ == Doing::kStepping ? time_after(1) : now;
  q.eligible = steps_ + (async_ && doing_ == Doing::kStepping ? 3 : 1);
  eligible_ = q.eligible;
  q.adapter = max_loras_ > 0 ? request.adapter : -1;
  q.phase = Phase::kWaiting;
  q.aborted = q.scheduled_once = 0;
  q.generated = 0;
  q.pages.clear();
  if (prefix_caching_) {
    auto whole = std::min(q.prompt / page_tokens_,
                          static_cast<std::int64_t>(request.prefix.size()) / hash_stride_);
    for (std::int64_t i = 1; i <= whole; ++i) {
      q.pages.push_back(
          page_of(request.prefix[static_cast<std::size_t>(i * hash_stride_ - 1)], q.adapter));
    }
  }
  slots_.insert(q.id.value(), slot);
  bool head_was_stuck = !waiting_.empty() && !by_priority_ && max_loras_ == 0;
  waiting_.push(pool_, slot);
  adapters_.add(q.adapter, 0, 1);
  if (doing_ == Doing::kNothing ||
      (doing_ == Doing::kGathering && waiting_.size() >= batch_size_)) {
    begin(now);
  } else if (doing_ == Doing::kStepping && !head_was_stuck && running_.size() < max_seqs_ &&
             (batching_ == spec::BatchingKind::kContinuous || batch_left_ > 0)) {
    cut_run();
  }
}

bool Rank::abort(RequestId id) {
  std::uint64_t found = slots_.find(id.value());
  if (found == FlatMap::kNone) return false;
  slots_.erase(id.value());
  auto slot = static_cast<Slot>(found);
  Sequence& q = pool_[slot];
  if (q.phase == Phase::kWaiting) {
    waiting_.erase(pool_, slot);
    adapters_.add(q.adapter, 0, -1);
    q.phase = Phase::kFree;
    spare_.push_back(slot);
    if (doing_ == Doing::kGathering && waiting_.empty()) {
      doing_ = Doing::kNothing;
      end_ = kNever;
    }
  } else {
    q.aborted = 1;
    aborting_.push_back(slot);
  }
  if (doing_ == Doing::kStepping) cut_run();  // another may have its place
  return true;
}

void Rank::forget_cache() {
  kv_.forget();
  if (doing_ == Doing::kStepping) cut_run();
}

void Rank::set_step_factor(double factor) {
  factor_ = factor_of(factor);
  if (doing_ == Doing::kStepping) cut_run();
}

std::int64_t Rank::generated(RequestId id) const {
  std::uint64_t found = slots_.find(id.value());
  if (found == FlatMap::kNone) return 0;
  const Sequence& q = pool_[found];
  return q.generated + (q.phase == Phase::kDecode ? steps_ - q.joined + 1 : 0);
}

void Rank::add_to(Stats& stats) const {
  stats.running += running_.size();
  stats.waiting += waiting_.size();
  stats.preemptions_total += preemptions_;
  stats.prompt_tokens_total += prompt_tokens_;
  stats.generation_tokens_total += generated_tokens_;
  stats.finished_total += finished_;
  stats.prefix_queries_tokens_total += queried_;
  stats.prefix_hits_tokens_total += hit_;
  stats.steps_total += steps_;
  stats.plans_total += plans_;
  if (adapters_.distinct_running() >= max_loras_) {
    for (const AdapterCounts::Entry& entry : adapters_.entries()) {
      if (entry.running == 0) stats.deferred += entry.waiting;
    }
  }
}

__int128 Rank::cost_of(std::int64_t steps) const {
  return first_cost_ * steps + cost_slope_ * steps * (steps - 1) / 2;
}

std::int64_t Rank::time_after(std::int64_t steps) const {
  __int128 units = spent_ + cost_of(steps) + kUnitsPerNano / 2;
  return base_ + static_cast<std::int64_t>(units / kUnitsPerNano);
}

void Rank::cut_run() {
  if (left_ <= 1) return;
  left_ = 1;
  end_ = time_after(1);
}

void Rank::advance_within(std::int64_t now) {
  // The most steps n < left_ with time_after(n) <= now, i.e. with cost_of(n) < bound.
  __int128 bound = (__int128{now} - base_ + 1) * kUnitsPerNano - kUnitsPerNano / 2 - spent_;
  if (first_cost_ >= bound) return;
  // Root of the series in doubles, corrected in integers.
  double slope = static_cast<double>(cost_slope_), target = static_cast<double>(bound);
  double first = static_cast<double>(first_cost_) - slope / 2;
  double guess = 2 * target / (first + std::sqrt(first * first + 2 * slope * target));
  std::int64_t steps = left_ - 1;
  if (guess < static_cast<double>(steps)) steps = static_cast<std::int64_t>(guess);
  while (steps < left_ - 1 && cost_of(steps + 1) < bound) ++steps;
  while (cost_of(steps) >= bound) --steps;
  spent_ += cost_of(steps);
  first_cost_ += cost_slope_ * steps;
  kv_.take(blocks_needed(steps_ + 2, steps));
  count_steps(steps);
  left_ -= steps;
}

void Rank::count_steps(std::int64_t steps) {
  steps_ += steps;
  generated_tokens_ += steps * decoding_;
}

void Rank::finish_plan(std::vector<EngineEvent>& events) {
  const std::int64_t last_began = async_ ? time_after(left_ - 1) : 0;
  spent_ += cost_of(left_);
  kv_.take(blocks_needed(steps_ + 2, left_ - 1));
  count_steps(left_);
  end_prefills(events);
  end_finished(events);
  for (Slot slot : aborting_) {
    if (pool_[slot].phase == Phase::kPrefill || pool_[slot].phase == Phase::kDecode) remove(slot);
  }
  aborting_.clear();
  chosen_ = async_ ? last_began : end_;
  plan(end_);
}

void Rank::tell(EventKind kind, const Sequence& q, std::vector<EngineEvent>& events) const {
  if (q.aborted) return;
  EngineEvent event{kind, q.id, Instant::from_nanos(end_)};
  if (kind == EventKind::kScheduled) {
    event.cached_tokens = q.cached;
    event.began = Instant::from_nanos(began_);
    event.queued = Instant::from_nanos(q.queued);
    event.chosen = Instant::from_nanos(chosen_);
  }
  events.push_back(event);
}

void Rank::end_prefills(std::vector<EngineEvent>& events) {
  for (Slot slot : admitted_) tell(EventKind::kScheduled, pool_[slot], events);
  for (Slot slot : completing_) {
    Sequence& q = pool_[slot];
    q.phase = Phase::kDecode;
    q.joined = steps_;
    q.finish_step = steps_ + q.output - q.generated - 1;
    ++decoding_;
    offset_sum_ += q.goal - q.joined;
    ++joiners(q);
    finishing_.push(pool_, slot);
    ++generated_tokens_;
    if (q.generated == 0) {
      prompt_tokens_ += q.prompt;
      tell(EventKind::kFirstToken, q, events);
    }
  }
}

void Rank::end_finished(std::vector<EngineEvent>& events) {
  while (!finishing_.empty() && pool_[finishing_.top()].finish_step <= steps_) {
    Slot slot = finishing_.top();
    const Sequence& q = pool_[slot];
    ++finished_;
    tell(EventKind::kFinished, q, events);
    if (!q.aborted) slots_.erase(q.id.value());
    if (async_) {
      pool_[slot].computed = q.goal + steps_ - q.joined;
      stop_decoding(slot);
      adapters_.add(q.adapter, -1, 0);
      pool_[slot].phase = Phase::kLeaving;
      leaving_.push_back(slot);
    } else {
      remove(slot);
    }
  }
}

void Rank::remove(Slot slot) {
  leave_batch(slot);
  pool_[slot].phase = Phase::kFree;
  spare_.push_back(slot);
}

void Rank::release_leaving() {
  for (Slot slot : leaving_) remove(slot);
  leaving_.clear();
}

void Rank::stop_decoding(Slot slot) {
  const Sequence& q = pool_[slot];
  --decoding_;
  offset_sum_ -= q.goal - q.joined;
  --joiners(q);
  finishing_.erase(pool_, slot);
}

void Rank::leave_batch(Slot slot) {
  Sequence& q = pool_[slot];
  kv_.release(q.node, anonymous_blocks(q));
  if (q.phase == Phase::kDecode) {
    stop_decoding(slot);
  } else if (partial_ == slot) {
    partial_ = kNoSlot;
  }
  running_.erase(pool_, slot);
  if (q.phase != Phase::kLeaving) adapters_.add(q.adapter, -1, 0);
}

}  // namespace tidegate::engine
