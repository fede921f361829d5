// More load never means fewer tokens served.
//
// Exactly true with one queue, first come first served, nothing refused and the same fleet:
//  - requests that are appended touch nobody who came before, to the nanosecond;
//  - equal requests, one at a time on each of c replicas: the k-th of them leaves at
//    max(its arrival, when the (k-c)-th left) + its service, and whatever is added brings the k-th
//    arrival forward. So by every instant at least as many tokens are served.
// In a batch a request that is added slows down those beside it, and by one instant fewer tokens of
// theirs may be out. What must not happen there is that the whole serves less: over a window, of
// loads each contained in the next, none serves fewer tokens than the one before.

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/test_world.h"

namespace tidegate::sim {
namespace {

constexpr std::uint64_t kSeeds = 150;

struct Ended {
  std::int64_t at = 0, tokens = 0;
};
struct Ends : Recorder {
  std::vector<Ended> all;
  void request(const RequestRecord& r) override {
    EXPECT_EQ(r.ending, workload::Ending::kCompleted);
    all.push_back({r.ended.nanos(), r.output_tokens});
  }
  std::int64_t tokens_by(std::int64_t instant) const {
    std::int64_t sum = 0;
    for (const Ended& one : all) sum += one.at <= instant ? one.tokens : 0;
    return sum;
  }
};

struct Dice {
  explicit Dice(std::uint64_t seed) : rng(seed, "monotone") {}
  std::int64_t upto(std::int64_t n) {
    return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(n) + 1));
  }
  std::vector<workload::TraceRequest> trace(std::int64_t count, std::int64_t within_millis) {
    std::vector<workload::TraceRequest> out;
    for (std::int64_t i = 0; i < count; ++i) {
      out.push_back(request_at(millis(upto(within_millis)), 1 + upto(300), 1 + upto(60)));
    }
    sort(out);
    return out;
  }
  static void sort(std::vector<workload::TraceRequest>& trace) {
    std::stable_sort(trace.begin(), trace.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
  }
  Rng rng;
};

Ends ends_of(const engine::Profile& profile, std::int64_t replicas, std::int64_t credit,
             const std::vector<workload::TraceRequest>& trace) {
  spec::Model model = model_with(replicas, replicas);
  model.scaling.policy_knob = static_cast<double>(replicas);
  model.scaling.concurrency_target = credit;
  WorldOptions options = world_of(model, profile, replicas);
  Ends ends;
  options.recorder = &ends;
  played(std::move(options), trace);
  return ends;
}

TEST(MoreLoad, AppendedItTouchesNobodyWhoCameBefore) {
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    Dice dice(seed);
    engine::Profile profile;
    profile.max_num_seqs = 1 + dice.upto(7);
    const std::int64_t replicas = 1 + dice.upto(2), credit = 1 + dice.upto(1) * dice.upto(7);
    auto trace = dice.trace(30, 8'000);
    const Ends less = ends_of(profile, replicas, credit, trace);
    const std::int64_t last = trace.back().at.count();
    auto more_trace = trace;
    for (auto& request : dice.trace(15, 4'000)) {
      request.at += Duration(last);
      more_trace.push_back(request);
    }
    const Ends more = ends_of(profile, replicas, credit, more_trace);
    for (std::int64_t at = 0; at <= last; at += last / 50 + 1) {
      EXPECT_EQ(more.tokens_by(at), less.tokens_by(at)) << "seed " << seed << " at " << at;
    }
    EXPECT_GT(more.tokens_by(INT64_MAX), less.tokens_by(INT64_MAX)) << "seed " << seed;
  }
}

TEST(MoreLoad, AddedAnywhereItServesNoFewerByAnyInstant) {
  for (std::uint64_t seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    Dice dice(seed);
    const Duration service = millis(100 + dice.upto(900));
    const std::int64_t replicas = 1 + dice.upto(3);
    auto trace = dice.trace(25, 10'000), added = dice.trace(1 + dice.upto(10), 12'000);
    for (auto* requests : {&trace, &added}) {
      for (auto& request : *requests) request = request_at(request.at, 10, 1);
    }
    const Ends less = ends_of(one_at_a_time(service), replicas, 1, trace);
    trace.insert(trace.end(), added.begin(), added.end());
    Dice::sort(trace);
    const Ends more = ends_of(one_at_a_time(service), replicas, 1, trace);
    for (const Ended& one : less.all) {
      EXPECT_GE(more.tokens_by(one.at), less.tokens_by(one.at)) << "seed " << seed;
    }
  }
}

TEST(MoreLoad, InBatchesEachLoadContainedInTheNextServesNoFewerInTheEnd) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Dice dice(seed);
    const std::int64_t window = seconds(60).count(), replicas = 1 + dice.upto(2);
    engine::Profile profile;
    profile.max_num_seqs = 8;
    std::vector<workload::TraceRequest> trace;
    std::int64_t before = 0;
    for (int load = 0; load < 8; ++load) {  // up to 4 times what the fleet can do
      for (auto& request : dice.trace(60 * replicas, 60'000)) trace.push_back(request);
      Dice::sort(trace);
      const std::int64_t served = ends_of(profile, replicas, 8, trace).tokens_by(window);
      EXPECT_GE(served, before) << "seed " << seed << " load " << load;
      before = served;
    }
  }
}

}  // namespace
}  // namespace tidegate::sim
