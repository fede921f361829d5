// What a rank does next: who decodes, who prefills how much, who is preempted, who is admitted.

#include <algorithm>

#include "core/base/check.h"
#include "core/engine/rank.h"

namespace tidegate::engine {
namespace {

/// Which offset (tokens at joining - step of joining), modulo the block size, needs a block in
/// `step`.
std::size_t residue_of(std::int64_t step, std::int64_t block) {
  return static_cast<std::size_t>((block - (step - 1) % block) % block);
}

/// The name of a page nobody else can have.
std::uint64_t own_page(std::int64_t arrival, std::int64_t page) {
  std::uint64_t x = static_cast<std::uint64_t>(arrival) * 0x9E3779B97F4A7C15ULL +
                    static_cast<std::uint64_t>(page) * 0xD6E8FEB86659FD93ULL;
  x = (x ^ (x >> 32)) * 0xBF58476D1CE4E5B9ULL;
  return x ^ (x >> 29);
}

}  // namespace

std::int64_t& Rank::joiners(const Sequence& q) {
  std::int64_t residue = (q.goal - q.joined) % block_;
  return by_residue_[static_cast<std::size_t>(residue < 0 ? residue + block_ : residue)];
}

std::int64_t Rank::anonymous_blocks(const Sequence& q) const {
  std::int64_t tokens = q.phase == Phase::kDecode ? q.goal + steps_ - q.joined : q.computed;
  return blocks_of(tokens) - q.shared_pages * (page_tokens_ / block_);
}

/// Blocks that decoding takes in `steps` steps from `first_step` on.
std::int64_t Rank::blocks_needed(std::int64_t first_step, std::int64_t steps) const {
  std::int64_t blocks = steps / block_ * decoding_;
  for (std::int64_t i = steps / block_ * block_; i < steps; ++i) {
    blocks += by_residue_[residue_of(first_step + i, block_)];
  }
  return blocks;
}

void Rank::begin(std::int64_t now) {
  base_ = chosen_ = now;
  spent_ = 0;
  plan(now);
}

void Rank::plan(std::int64_t now) {
  admitted_.clear();
  completing_.clear();
  prefill_tokens_ = 0;
  prefill_context_ = 0;
  began_ = now;
  if (running_.empty() && gather(now)) return;
  bool calm = choose();
  // Async scheduling: this step was chosen before the last one ended; what ended with it is free
  // for the next.
  bool all_known = leaving_.empty() && eligible_ <= steps_ + 1;
  release_leaving();
  if (decoding_ == 0 && prefill_tokens_ == 0) {
    // Nothing could be chosen ahead: it is chosen now.
    for (Slot slot = waiting_.front(); slot != kNoSlot; slot = waiting_.after(pool_, slot)) {
      pool_[slot].eligible = 0;
    }
    eligible_ = 0;
    chosen_ = now;
    if (running_.empty() && gather(now)) return;
    calm = choose();
  }
  doing_ = Doing::kStepping;
  __int128 cost = step_femtos(profile_, prefill_tokens_, decoding_,
                              offset_sum_ + decoding_ * (steps_ + 1), prefill_context_);
  first_cost_ = std::max<__int128>(cost, 1) * factor_;  // time always moves
  cost_slope_ = __int128{profile_.c3_fs} * decoding_ * factor_;
  bool jumps = calm && all_known && prefill_tokens_ == 0 && !blocked_on_cached_;
  left_ = jumps ? run_length() : 1;
  end_ = time_after(left_);
}

/// Who runs in the next step. False where something was preempted.
bool Rank::choose() {
  ++plans_;
  blocked_on_cached_ = false;
  bool calm = make_room();
  if (calm) admit();
  return calm;
}

/// With nothing running: true where no step begins now.
bool Rank::gather(std::int64_t now) {
  doing_ = Doing::kNothing;
  end_ = kNever;
  if (waiting_.empty()) return true;
  if (batching_ == spec::BatchingKind::kDynamic && waiting_.size() < batch_size_) {
    std::int64_t deadline =
        (Instant::from_nanos(pool_[waiting_.front()].submitted) + Duration(batch_delay_)).nanos();
    if (now < deadline) {
      doing_ = Doing::kGathering;
      end_ = deadline;
      return true;
    }
  }
  batch_left_ = std::min(batch_size_, waiting_.size());
  return false;
}

/// Takes the blocks of everything that runs already, preempting from the end until they suffice.
/// False where something was preempted. Taking all needs at once leaves the same survivors as going
/// through the running ones in order: both stop at the longest head of the list that fits.
bool Rank::make_room() {
  for (bool calm = true;; calm = false) {
    std::int64_t need = by_residue_[residue_of(steps_ + 1, block_)];
    std::int64_t chunk = 0;
    if (partial_ != kNoSlot) {
      const Sequence& q = pool_[partial_];
      chunk = std::min(q.goal - q.computed, budget_ - decoding_);
      need += blocks_of(q.computed + chunk) - blocks_of(q.computed);
    }
    if (need <= kv_.free()) {
      kv_.take(need);
      budget_left_ = budget_ - decoding_ - chunk;
      if (chunk > 0) prefill(partial_, chunk);
      return calm;
    }
    preempt(victim());
  }
}

Slot Rank::victim() const {
  Slot worst = running_.back();
  while (pool_[worst].phase == Phase::kLeaving) worst = pool_[worst].prev;
  if (!by_priority_) return worst;
  for (Slot slot = worst; slot != kNoSlot; slot = pool_[slot].prev) {
    const Sequence &a = pool_[slot], &b = pool_[worst];
    if (a.phase == Phase::kLeaving) continue;
    if (a.priority > b.priority || (a.priority == b.priority && a.arrival > b.arrival))
      worst = slot;
  }
  return worst;
}

void Rank::preempt(Slot slot) {
  TIDEGATE_CHECK(running_.size() > 1);  // one alone always fits (see fits())
  Sequence& q = pool_[slot];
  keep_content(q);
  leave_batch(slot);
  if (q.phase == Phase::kDecode) q.generated += steps_ - q.joined + 1;
  q.phase = Phase::kWaiting;
  waiting_.put_back(pool_, slot);
  adapters_.add(q.adapter, 0, 1);
  ++preemptions_;
}

/// What a preempted request computed, its own answer included, stays cached until it is evicted.
void Rank::keep_content(Sequence& q) {
  if (!q.publishes) return;
  const std::int64_t tokens = q.phase == Phase::kDecode ? q.goal + steps_ - q.joined : q.computed;
  const std::int64_t whole = tokens / page_tokens_;
  if (whole <= q.shared_pages) return;
  for (auto i = static_cast<std::int64_t>(q.pages.size()); i < whole; ++i) {
    q.pages.push_back(own_page(q.arrival, i));
  }
  KvStock::NodeIndex node = kv_.publish(q.node, q.pages, q.shared_pages, whole);
  if (node == KvStock::kRoot) return;
  q.node = node;
  q.shared_pages = whole;
}

void Rank::admit() {
  for (Slot slot = waiting_.front(), next; slot != kNoSlot; slot = next) {
    if (budget_left_ == 0 || running_.size() == max_seqs_) return;
    if (batching_ != spec::BatchingKind::kContinuous && batch_left_ == 0) return;
    next = waiting_.after(pool_, slot);
    if (pool_[slot].eligible > steps_ + 1) continue;  // not seen yet
    // One whose adapter has no slot lets the others pass.
    if (adapters_.admits(pool_[slot].adapter, max_loras_) && !admit_one(slot)) return;
  }
}

bool Rank::admit_one(Slot slot) {
  Sequence& q = pool_[slot];
  q.goal = q.prompt + q.generated;
  // At least the last token is computed: its logits are wanted.
  KvStock::Match hit = kv_.match(q.pages, (q.goal - 1) / page_tokens_);
  std::int64_t cached = hit.pages * page_tokens_;
  std::int64_t tokens = std::min(q.goal - cached, budget_left_);
  std::int64_t need = blocks_of(cached + tokens) - cached / block_;
  std::int64_t reserve = reserve_full_ ? blocks_of(q.goal) - cached / block_ : need;
  if (hit.idle_blocks + reserve > kv_.free()) {
    blocked_on_cached_ = hit.idle_blocks > 0 && !reserve_full_;
    return false;
  }
  waiting_.erase(pool_, slot);
  running_.insert(pool_, slot, kNoSlot);
  q.admission = ++admissions_;
  adapters_.add(q.adapter, 1, -1);
  --batch_left_;
  q.node = kv_.acquire(hit);
  kv_.take(need);
  q.phase = Phase::kPrefill;
  q.shared_pages = hit.pages;
  q.publishes = prefix_caching_;
  q.computed = cached;
  if (!q.scheduled_once) {
    q.scheduled_once = 1;
    q.cached = cached;
    admitted_.push_back(slot);
    if (prefix_caching_) queried_ += q.prompt;
    hit_ += cached;
  }
  budget_left_ -= tokens;
  prefill(slot, tokens);
  return true;
}

/// Puts the next `tokens` of a prompt into this step; their blocks are taken.
void Rank::prefill(Slot slot, std::int64_t tokens) {
  Sequence& q = pool_[slot];
  prefill_tokens_ += tokens;
  prefill_context_ += __int128{tokens} * q.computed + __int128{tokens} * (tokens + 1) / 2;
  q.computed += tokens;
  auto whole = std::min(q.computed / page_tokens_, static_cast<std::int64_t>(q.pages.size()));
  if (q.publishes && whole > q.shared_pages) {
    KvStock::NodeIndex node = kv_.publish(q.node, q.pages, q.shared_pages, whole);
    q.publishes = node != KvStock::kRoot;
    if (q.publishes) {
      q.node = node;
      q.shared_pages = whole;
    }
  }
  if (q.computed == q.goal) {
    completing_.push_back(slot);
    if (partial_ == slot) partial_ = kNoSlot;
  } else {
    TIDEGATE_CHECK(partial_ == kNoSlot || partial_ == slot);
    partial_ = slot;
  }
}

/// Steps until something other than decoding can happen: the first finish, or the step before KV
/// runs out.
std::int64_t Rank::run_length() const {
  TIDEGATE_CHECK(decoding_ > 0);
  std::int64_t steps = pool_[finishing_.top()].finish_step - steps_;
  if (decoding_ * blocks_of(steps) <= kv_.free()) return steps;
  // Each whole round of block_ steps takes one block a sequence; the first step has its blocks
  // already.
  std::int64_t rounds = kv_.free() / decoding_;
  std::int64_t rest = kv_.free() - rounds * decoding_;
  std::int64_t fit = 1 + rounds * block_;
  while (fit < steps) {
    rest -= by_residue_[residue_of(steps_ + 1 + fit, block_)];
    if (rest < 0) break;
    ++fit;
  }
  return std::min(fit, steps);
}

}  // namespace tidegate::engine
