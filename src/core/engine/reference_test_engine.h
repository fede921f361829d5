#pragma once
// ReferenceEngine: the same laws as Engine, as slowly and plainly as possible, for tests only.
//
// Every step is walked, every request keeps its own state, its KV is ReferenceKv's. It shares no
// code with Engine but the request and event types. One rank; requests and aborts are given up
// front, in order of time.

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "core/engine/engine.h"
#include "core/engine/reference_test_kv.h"

namespace tidegate::engine::reference {

struct Input {
  std::int64_t at = 0;
  bool is_abort = false;
  EngineRequest request;  ///< of an abort only the id counts
};

class ReferenceEngine {
 public:
  explicit ReferenceEngine(Options options)
      : o_(std::move(options)),
        kv_(std::max<std::int64_t>(1, o_.profile.kv_tokens / o_.profile.block_size)) {}

  std::vector<EngineEvent> events;
  std::set<std::uint64_t> known;

  /// Feeds one input; everything that ends at or before its time happens first.
  void give(const Input& input) {
    run_to(input.at);
    std::uint64_t id = input.request.id.value();
    if (input.is_abort) {
      if (known.erase(id)) abort(id);
      return;
    }
    std::int64_t p = input.request.prompt.value(), o = input.request.output.value();
    if (p < 1 || o < 1 || p + o > o_.profile.max_model_len || blocks_for(p + o) > kv_.total()) {
      events.push_back({EventKind::kRejected, input.request.id, Instant::from_nanos(input.at)});
      return;
    }
    known.insert(id);
    Job job;
    job.r = input.request;
    job.at = input.at;
    job.order = ++order_;
    job.seen = busy_ ? step_end_ : input.at;
    job.eligible = steps_ + (busy_ && ahead() ? 3 : 1);
    if (o_.max_loras == 0) job.r.adapter = -1;
    insert_waiting(job, false);
    if (!busy_ && (!gathering_ || full())) start(input.at);
  }

  void run_to(std::int64_t now) {
    for (;;) {
      if (busy_ && step_end_ <= now) {
        end_step();
      } else if (gathering_ && gather_until_ <= now) {
        start(gather_until_);
      } else {
        break;
      }
    }
  }

  Stats stats() const {
    Stats s;
    s.running = static_cast<std::int64_t>(running_.size());
    s.waiting = static_cast<std::int64_t>(waiting_.size());
    s.kv_usage = static_cast<double>(kv_.total() - kv_.free()) / static_cast<double>(kv_.total());
    s.preemptions_total = preemptions_;
    s.prompt_tokens_total = prompts_;
    s.generation_tokens_total = generations_;
    s.prefix_queries_tokens_total = queries_;
    s.prefix_hits_tokens_total = hits_;
    s.steps_total = steps_;
    std::set<std::int32_t> run, wait;
    for (const Job& j : running_) run.insert(j.r.adapter);
    for (const Job& j : waiting_) wait.insert(j.r.adapter);
    run.erase(-1);
    wait.erase(-1);
    s.running_adapters.assign(run.begin(), run.end());
    s.waiting_adapters.assign(wait.begin(), wait.end());
    for (const Job& j : waiting_) {
      s.deferred += j.r.adapter >= 0 && !run.count(j.r.adapter) &&
                    static_cast<std::int64_t>(run.size()) >= o_.max_loras;
    }
    return s;
  }
  std::int64_t generated(std::uint64_t id) const {
    if (!known.count(id)) return 0;
    for (const Job& j : running_) {
      if (j.r.id.value() == id && !j.aborted) return j.generated;
    }
    for (const Job& j : waiting_) {
      if (j.r.id.value() == id) return j.generated;
    }
    return 0;
  }
  bool idle() const { return !busy_ && !gathering_; }

 private:
  using Prefix = ReferenceKv::Prefix;
  struct Job {
    EngineRequest r;
    std::int64_t at = 0, order = 0;
    std::int64_t generated = 0, computed = 0, chunk = 0, cached = 0;
    std::int64_t seen = 0, eligible = 0;  ///< when the scheduler saw it; first step it may run in
    std::int64_t own_pages = 0;           ///< once preempted: all its pages have a content
    std::int64_t pages = 0;  ///< of its blocks, how many pages have a content others may use
    bool publishes = true, decodes = false, told = false, aborted = false;
    std::vector<int> held;
    std::int64_t target() const { return r.prompt.value() + generated; }
  };

  std::int64_t blocks_for(std::int64_t t) const {
    return (t + o_.profile.block_size - 1) / o_.profile.block_size;
  }
  std::int64_t page() const {  // the least common multiple, by trial
    std::int64_t p = o_.profile.block_size;
    while (p % o_.prefix_block_tokens != 0) p += o_.profile.block_size;
    return p;
  }
  std::int64_t page_count(const Job& j) const {
    auto hashed = static_cast<std::int64_t>(j.r.prefix.size()) * o_.prefix_block_tokens;
    std::int64_t given = std::min(j.r.prompt.value(), hashed) / page();
    return o_.prefix_caching ? std::max(given, j.own_pages) : 0;
  }
  Prefix prefix_of(const Job& j, std::int64_t pages) const {
    auto hashed = static_cast<std::int64_t>(j.r.prefix.size()) * o_.prefix_block_tokens;
    std::int64_t given = std::min(j.r.prompt.value(), hashed) / page();
    Prefix p{static_cast<std::uint64_t>(j.r.adapter + 1)};
    for (std::int64_t i = 1; i <= pages; ++i) {
      if (i > given) {  // nobody else's
        p.push_back(~(static_cast<std::uint64_t>(j.order) << 20) - static_cast<std::uint64_t>(i));
        continue;
      }
      p.push_back(j.r.prefix[static_cast<std::size_t>(i * page() / o_.prefix_block_tokens - 1)]);
    }
    return p;
  }
  bool later(const Job& a, const Job& b) const {
    return o_.priority_scheduling
               ? std::pair(a.r.priority, a.order) > std::pair(b.r.priority, b.order)
               : false;
  }
  void insert_waiting(const Job& job, bool again) {
    auto at = again ? waiting_.begin() : waiting_.end();
    if (o_.priority_scheduling) {
      at = std::find_if(waiting_.begin(), waiting_.end(),
                        [&](const Job& other) { return later(other, job); });
    }
    waiting_.insert(at, job);
  }
  bool ahead() const {
    return o_.profile.async_scheduling && o_.batching == spec::BatchingKind::kContinuous;
  }
  bool full() const { return static_cast<std::int64_t>(waiting_.size()) >= o_.batch_size; }

  /// Blocks for `tokens` more, or false and nothing changed.
  bool allocate(Job& j, std::int64_t tokens) {
    std::int64_t need = blocks_for(j.computed + tokens) - static_cast<std::int64_t>(j.held.size());
    if (need > kv_.free()) return false;
    for (; need > 0; --need) j.held.push_back(kv_.take());
    j.chunk = tokens;
    publish(j, j.computed + tokens);
    return true;
  }
  void publish(Job& j, std::int64_t tokens) {
    while (j.publishes && j.pages < std::min(page_count(j), tokens / page())) {
      Prefix content = prefix_of(j, j.pages + 1);
      if (kv_.has(content)) {
        j.publishes = false;
        return;
      }
      std::int64_t n = page() / o_.profile.block_size;
      std::vector<int> ids(j.held.begin() + j.pages * n, j.held.begin() + (j.pages + 1) * n);
      kv_.publish(content, ids);
      ++j.pages;
    }
  }

  void start(std::int64_t now) {
    base_ = chosen_ = now;
    spent_ = 0;
    schedule(now);
  }
  void schedule(std::int64_t now) {
    busy_ = gathering_ = false;
    choose(now);
    for (Job& j : leaving_) kv_.release(j.held);
    leaving_.clear();
    bool any = false;
    for (const Job& j : running_) any = any || j.chunk > 0;
    if (!any && !gathering_) {
      for (Job& j : waiting_) j.eligible = 0;
      chosen_ = now;
      choose(now);
    }
    if (!running_.empty()) begin_step(now);
  }
  void choose(std::int64_t now) {
    if (running_.empty() && leaving_.empty()) {
      if (waiting_.empty()) return;
      if (o_.batching == spec::BatchingKind::kDynamic && !full() &&
          waiting_.front().at + o_.batch_delay.count() > now) {
        gathering_ = true;
        gather_until_ = waiting_.front().at + o_.batch_delay.count();
        return;
      }
      quota_ = std::min<std::int64_t>(o_.batch_size, static_cast<std::int64_t>(waiting_.size()));
    }
    bool preempted = false;
    std::int64_t budget = o_.max_num_batched_tokens;
    for (Job& j : running_) j.chunk = 0;
    // As the real scheduler: each running request in turn, preempting until it fits.
    for (std::size_t i = 0; i < running_.size();) {
      Job& j = running_[i];
      std::int64_t tokens = std::min(j.target() - j.computed, budget);
      if (allocate(j, tokens)) {
        budget -= tokens;
        ++i;
        continue;
      }
      std::size_t worst = running_.size() - 1;
      for (std::size_t w = 0; w < running_.size(); ++w) {
        if (later(running_[w], running_[worst])) worst = w;
      }
      budget += running_[worst].chunk;
      preempt(worst);
      preempted = true;
      if (worst < i) --i;
    }
    if (!preempted) admit(budget);
  }
  void preempt(std::size_t index) {
    Job job = running_[index];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    if (o_.prefix_caching && job.publishes) {
      job.own_pages = std::max(job.own_pages, job.computed / page());
      publish(job, job.computed);
    }
    kv_.release(job.held);
    job.computed = job.pages = job.chunk = 0;
    job.publishes = true;
    job.decodes = false;
    insert_waiting(job, true);
    ++preemptions_;
  }
  void admit(std::int64_t budget) {
    std::size_t i = 0;
    while (i < waiting_.size() && budget > 0) {
      if (static_cast<std::int64_t>(running_.size() + leaving_.size()) >=
          std::min(o_.max_num_seqs, o_.max_num_batched_tokens)) {
        return;
      }
      if (o_.batching != spec::BatchingKind::kContinuous && quota_ == 0) return;
      Job& j = waiting_[i];
      if (j.eligible > steps_ + 1) {
        ++i;
        continue;
      }
      std::set<std::int32_t> loras;
      for (const Job& r : running_) loras.insert(r.r.adapter);
      loras.erase(-1);
      if (j.r.adapter >= 0 && !loras.count(j.r.adapter) &&
          static_cast<std::int64_t>(loras.size()) >= o_.max_loras) {
        ++i;
        continue;
      }
      if (!try_admit(j, budget)) return;
      running_.push_back(j);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      --quota_;
    }
  }
  bool try_admit(Job& j, std::int64_t& budget) {
    std::int64_t hit = 0, idle = 0;
    while (hit < std::min(page_count(j), (j.target() - 1) / page())) {
      const Prefix content = prefix_of(j, hit + 1);
      if (!kv_.has(content)) break;
      idle += kv_.idle(content);
      ++hit;
    }
    std::int64_t cached = hit * page();
    std::int64_t tokens = std::min(j.target() - cached, budget);
    std::int64_t need = blocks_for(cached + tokens) - blocks_for(cached);
    std::int64_t whole = blocks_for(j.target()) - blocks_for(cached);
    if (o_.profile.reserve_full_prompt) need = whole;
    if (need + idle > kv_.free()) return false;
    for (std::int64_t p = 1; p <= hit; ++p) kv_.hold(prefix_of(j, p), j.held);
    j.pages = hit;
    j.computed = cached;
    if (!allocate(j, tokens)) return false;
    budget -= tokens;
    if (!j.told) {
      j.cached = cached;
      if (o_.prefix_caching) queries_ += j.r.prompt.value();
      hits_ += cached;
    }
    return true;
  }

  void begin_step(std::int64_t now) {
    busy_ = true;
    step_began_ = now;
    const Profile& p = o_.profile;
    __int128 fs = p.c0_fs;
    for (const Job& j : running_) {
      for (std::int64_t t = 0; t < j.chunk; ++t) {
        std::int64_t context = j.computed + t + 1;
        fs += j.decodes ? p.c2_fs + __int128{p.c3_fs} * context
                        : p.c1_fs + __int128{p.c4_fs} * context;
      }
    }
    spent_ += fs;
    step_end_ = base_ + static_cast<std::int64_t>((spent_ + 500'000) / 1'000'000);
  }
  void tell(EventKind kind, const Job& j) {
    if (j.aborted) return;
    bool scheduled = kind == EventKind::kScheduled;
    events.push_back({kind, j.r.id, Instant::from_nanos(step_end_), scheduled ? j.cached : 0,
                      Instant::from_nanos(scheduled ? step_began_ : 0),
                      Instant::from_nanos(scheduled ? j.seen : 0),
                      Instant::from_nanos(scheduled ? chosen_ : 0)});
  }
  void end_step() {
    ++steps_;
    for (Job& j : running_) {
      if (!j.told) tell(EventKind::kScheduled, j);
      j.told = true;
      j.computed += j.chunk;
      if (j.computed < j.target()) continue;
      j.decodes = true;
      ++j.generated;
      ++generations_;
      if (j.generated == 1) {
        prompts_ += j.r.prompt.value();
        tell(EventKind::kFirstToken, j);
      }
    }
    std::erase_if(running_, [&](Job& j) {
      if (j.generated < j.r.output.value()) return false;
      tell(EventKind::kFinished, j);
      if (!j.aborted) known.erase(j.r.id.value());
      if (ahead()) {
        leaving_.push_back(j);
      } else {
        kv_.release(j.held);
      }
      return true;
    });
    for (std::int64_t order : aborting_) {
      std::erase_if(running_, [&](Job& j) {
        if (j.order != order) return false;
        kv_.release(j.held);
        return true;
      });
    }
    aborting_.clear();
    chosen_ = ahead() ? step_began_ : step_end_;
    schedule(step_end_);
  }
  void abort(std::uint64_t id) {
    for (Job& j : running_) {
      if (j.r.id.value() != id || j.aborted) continue;
      j.aborted = true;
      aborting_.push_back(j.order);
      return;
    }
    std::erase_if(waiting_, [&](const Job& j) { return j.r.id.value() == id; });
    if (waiting_.empty()) gathering_ = false;
  }

  Options o_;
  ReferenceKv kv_;
  std::int64_t order_ = 0;
  std::vector<Job> running_, waiting_;
  std::vector<Job> leaving_;  ///< finished, and free only once the next step is chosen
  std::vector<std::int64_t> aborting_;
  bool busy_ = false, gathering_ = false;
  std::int64_t base_ = 0, step_began_ = 0, step_end_ = 0, gather_until_ = 0, quota_ = 0,
               chosen_ = 0;
  __int128 spent_ = 0;
  std::int64_t preemptions_ = 0, prompts_ = 0, generations_ = 0, queries_ = 0, hits_ = 0,
               steps_ = 0;
};

}  // namespace tidegate::engine::reference
