// A world as plain as can be, walked step by step, beside World: the same requests, the same
// replicas at the same times, every time to the nanosecond.
//
// In it: one first-come queue, requests bound late (to the open replica with the fewest tokens,
// then requests, then the one used longest ago), engines with chunked prefill whose KV never binds,
// replicas that start in a constant time and come and go by a schedule. It shares no code with
// World but the values.

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

constexpr int kSeeds = 400;
constexpr std::int64_t kNever = INT64_MAX;
constexpr std::int64_t kKvTokens = 1 << 20;  // load by KV is then the number of tokens held

struct Line {
  std::int64_t arrived = 0, dispatched = 0, first = 0, ended = 0;
  std::uint64_t replica = 0;
  bool operator==(const Line&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Line& l) {
  return out << "arrived " << l.arrived << " dispatched " << l.dispatched << " first " << l.first
             << " ended " << l.ended << " on " << l.replica;
}

struct Case {
  engine::Profile profile;
  std::int64_t credit = 1;
  Duration cold{0};
  std::int64_t initial = 1;
  Schedule schedule;
  std::vector<workload::TraceRequest> trace;
};

/// A replica as the naive world has it.
struct Naive {
  struct Job {
    std::size_t request = 0;
    std::int64_t prompt = 0, output = 0, computed = 0, generated = 0, chunk = 0;
  };
  std::uint64_t id = 0;
  std::int64_t ready_at = 0;
  bool up = false, draining = false;
  std::int64_t used = 0;  ///< when it was last given a request, by count
  std::int64_t held = 0, held_tokens = 0;
  std::deque<Job> waiting, running;                  ///< in order of admission
  std::int64_t began = 0, step_end = kNever;         ///< of a busy time; of the step
  __int128 spent_fs = 0;                             ///< since `began`
  std::vector<std::pair<std::size_t, bool>> events;  ///< request, whether it ended
  std::vector<std::int64_t> event_times;
};

class NaiveWorld {
 public:
  explicit NaiveWorld(const Case& c) : c_(c), lines_(c.trace.size()) {
    for (std::int64_t i = 0; i < c.initial; ++i) order(-c.cold.count());
  }

  std::vector<Line> run() {
    std::size_t arrival = 0, step = 0;
    for (std::int64_t now = 0; now != kNever;) {
      for (Naive& r : replicas_) {
        run_engine(r, now);
        deliver(r);
      }
      for (Naive& r : replicas_) {
        if (!r.up && r.ready_at <= now) {
          r.up = true;
          place(now);
        }
      }
      for (; step < c_.schedule.size() && c_.schedule[step].at.count() <= now; ++step) {
        apply(c_.schedule[step].replicas, now);
      }
      std::erase_if(replicas_, [](const Naive& r) { return r.draining && r.held == 0; });
      for (; arrival < c_.trace.size() && c_.trace[arrival].at.count() <= now; ++arrival) {
        lines_[arrival].arrived = now;
        queue_.push_back(arrival);
        place(now);
      }
      now = next(arrival, step);
    }
    return lines_;
  }

 private:
  void order(std::int64_t now) {
    Naive r;
    r.id = ++ids_;
    r.ready_at = now + c_.cold.count();
    replicas_.push_back(r);
  }

  /// The youngest go, those that boot first; what serves ends what it holds.
  void apply(std::int64_t wanted, std::int64_t now) {
    std::int64_t active = 0;
    for (const Naive& r : replicas_) active += r.draining ? 0 : 1;
    for (; active < wanted; ++active) order(now);
    for (bool booting : {true, false}) {
      for (auto r = replicas_.rbegin(); r != replicas_.rend() && active > wanted; ++r) {
        if (r->draining || r->up == booting) continue;
        r->draining = true;
        --active;
      }
    }
  }

  std::int64_t next(std::size_t arrival, std::size_t step) const {
    std::int64_t at = kNever;
    if (arrival < c_.trace.size()) at = std::min(at, c_.trace[arrival].at.count());
    if (step < c_.schedule.size()) at = std::min(at, c_.schedule[step].at.count());
    for (const Naive& r : replicas_) at = std::min({at, r.step_end, r.up ? kNever : r.ready_at});
    return at;
  }

  void place(std::int64_t now) {
    while (!queue_.empty()) {
      Naive* best = nullptr;
      for (Naive& r : replicas_) {
        if (!r.up || r.draining || r.held >= c_.credit) continue;
        auto key = [](const Naive& x) { return std::tuple(x.held_tokens, x.held, x.used, x.id); };
        if (best == nullptr || key(r) < key(*best)) best = &r;
      }
      if (best == nullptr) return;
      std::size_t request = queue_.front();
      queue_.pop_front();
      lines_[request].dispatched = now;
      lines_[request].replica = best->id;
      std::int64_t prompt = c_.trace[request].prompt.value();
      std::int64_t output = c_.trace[request].output.value();
      ++best->held;
      best->held_tokens += prompt + output;
      best->used = ++uses_;
      run_engine(*best, now);
      best->waiting.push_back({request, prompt, output});
      if (best->step_end == kNever) {
        best->began = now;
        best->spent_fs = 0;
        begin_step(*best);
      }
    }
  }

  /// Steps that end by now; the next begins where one ends.
  void run_engine(Naive& r, std::int64_t now) {
    while (r.step_end <= now) {
      const std::int64_t at = r.step_end;
      for (Naive::Job& job : r.running) {
        if (job.chunk == 0) continue;
        job.computed += job.chunk;
        if (job.computed < job.prompt) continue;
        ++job.generated;
        if (job.generated == 1) tell(r, job.request, false, at);
        if (job.generated == job.output) tell(r, job.request, true, at);
      }
      std::erase_if(r.running, [](const Naive::Job& j) { return j.generated == j.output; });
      r.step_end = kNever;
      if (!r.running.empty() || !r.waiting.empty()) begin_step(r);
    }
  }
  static void tell(Naive& r, std::size_t request, bool ended, std::int64_t at) {
    r.events.emplace_back(request, ended);
    r.event_times.push_back(at);
  }

  void begin_step(Naive& r) {
    const engine::Profile& p = c_.profile;
    std::int64_t budget = p.max_num_batched_tokens;
    __int128 fs = p.c0_fs;
    auto schedule = [&](Naive::Job& job) {
      const bool decodes = job.computed >= job.prompt;
      job.chunk = std::min(decodes ? 1 : job.prompt - job.computed, budget);
      budget -= job.chunk;
      if (decodes && job.chunk > 0) fs += p.c2_fs + __int128{p.c3_fs} * (job.computed + 1);
      for (std::int64_t i = 1; !decodes && i <= job.chunk; ++i) {
        fs += p.c1_fs + __int128{p.c4_fs} * (job.computed + i);
      }
    };
    for (Naive::Job& job : r.running) schedule(job);
    while (!r.waiting.empty() && budget > 0 &&
           static_cast<std::int64_t>(r.running.size()) < p.max_num_seqs) {
      r.running.push_back(r.waiting.front());
      r.waiting.pop_front();
      schedule(r.running.back());
    }
    r.spent_fs += fs;
    r.step_end = r.began + static_cast<std::int64_t>((r.spent_fs + 500'000) / 1'000'000);
  }

  void deliver(Naive& r) {
    auto events = std::exchange(r.events, {});
    auto times = std::exchange(r.event_times, {});
    for (std::size_t i = 0; i < events.size(); ++i) {
      auto [request, ended] = events[i];
      (ended ? lines_[request].ended : lines_[request].first) = times[i];
      if (!ended) continue;
      --r.held;
      r.held_tokens -= c_.trace[request].prompt.value() + c_.trace[request].output.value();
      place(times[i]);
    }
  }

  const Case& c_;
  std::vector<Line> lines_;
  std::deque<std::size_t> queue_;
  std::vector<Naive> replicas_;
  std::uint64_t ids_ = 0;
  std::int64_t uses_ = 0;
};

Case draw(std::uint64_t seed) {
  Rng rng(seed, "brute force");
  auto upto = [&](std::int64_t n) {
    return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(n) + 1));
  };
  Case c;
  c.profile.kv_tokens = kKvTokens;
  c.profile.max_num_seqs = 1 + upto(6);
  c.profile.max_num_batched_tokens = 16 + upto(3) * 100;
  c.profile.c0_fs += upto(1'000'000'000);  // steps that end between nanoseconds
  c.profile.c3_fs += upto(1'000);
  c.credit = 1 + upto(8);
  c.cold = millis(500 + upto(4'000));
  c.initial = 1 + upto(1);
  Duration at{0};
  for (int i = 0; i < 3; ++i) {
    at += millis(upto(6'000));
    c.schedule.push_back({at, 0, 1 + upto(2)});
  }
  at = Duration(0);
  for (int i = 0; i < 40; ++i) {
    // Some at once, some on the tick, the rest anywhere.
    if (upto(3) != 0) at += Duration(upto(upto(9) == 0 ? 4'000'000'000 : 150'000'000));
    if (upto(9) == 0) at = seconds(at / seconds(1) + 1);
    c.trace.push_back(request_at(at, 1 + upto(400), 1 + upto(upto(4) == 0 ? 120 : 20)));
  }
  return c;
}

std::vector<Line> of_world(const Case& c) {
  spec::Model model = model_with(0, 10);
  model.scaling.concurrency_target = c.credit;
  model.queue.pace_prefill = false;  // the naive world's router counts sequences, no more
  model.variants[0].cold_start.engine = {.p50 = c.cold, .p90 = c.cold};
  WorldOptions options = world_of(model, c.profile, c.initial);
  options.schedule = c.schedule;
  struct Lines : Recorder {
    std::vector<Line> lines;
    void request(const RequestRecord& r) override {
      ASSERT_EQ(r.ending, workload::Ending::kCompleted);
      lines[static_cast<std::size_t>(r.number - 1)] = {r.arrived.nanos(), r.dispatched.nanos(),
                                                       r.first.nanos(), r.ended.nanos(),
                                                       r.replica.value()};
    }
  } recorder;
  recorder.lines.resize(c.trace.size());
  options.recorder = &recorder;
  World world = played(std::move(options), c.trace);
  return recorder.lines;
}

TEST(BruteForce, AWorldWalkedStepByStepHasTheSameTimesToTheNanosecond) {
  std::int64_t queued = 0, moved = 0;
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    const Case c = draw(seed);
    const std::vector<Line> expected = NaiveWorld(c).run(), got = of_world(c);
    for (std::size_t i = 0; i < expected.size() && !HasFailure(); ++i) {
      EXPECT_EQ(got[i], expected[i]) << "seed " << seed << " request " << i;
      queued += expected[i].dispatched > expected[i].arrived ? 1 : 0;
      moved += expected[i].replica > 2 ? 1 : 0;
    }
  }
  EXPECT_GT(queued, kSeeds) << "late binding is in it";
  EXPECT_GT(moved, kSeeds) << "and so are replicas that come later";
}

}  // namespace
}  // namespace tidegate::sim
