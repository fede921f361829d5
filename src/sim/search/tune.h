#pragma once
// Tune: the knobs of a policy that reach an attainment at least cost on the first part of a trace,
// and what they do on the rest, which the search has not seen.
//
//   auto result = tune({.model = model, .policies = asked, .open = open, .attainment = 0.99});
//   for (const Tuned& t : result->policies) print(t.text, t.tuned.train.attainment(), ...);
//
// For each policy first a coarse grid over its main knob and minReplicas, then from the best point
// steps of each knob up and down by four values, by two and by one, as long as one is better. All
// values of a step are played at once. Cheapest in dollars first, then in GPU-hours, then in
// replica-hours, of those that reach the level; where none does, the one that misses least. A run
// is billed from its start until its part of the trace ends, or it has drained where that is later.
// Every run is told to `finished` as it ends and asked of `known` before it begins, so a search can
// go on where another was stopped. Which runs there are depends on the results alone: neither on
// threads nor on time. Thread-safety: `known` and `finished` are called by one thread at a time.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/spec/options.h"
#include "sim/search/arrivals.h"
#include "sim/search/knobs.h"
#include "sim/world.h"

namespace tidegate::sim {

/// What is kept of a run.
struct Outcome {
  std::int64_t requests = 0, met = 0;
  double gpu_hours = 0, replica_hours = 0, cost_dollars = 0;
  double ttft_p99_seconds = 0;
  std::int64_t replicas_peak = 0;
  double attainment() const {
    return requests == 0 ? 1 : static_cast<double>(met) / static_cast<double>(requests);
  }
  bool operator==(const Outcome&) const = default;
};

enum class Part : std::uint8_t { kTrain, kTest };

struct TuneProgress {
  std::size_t policy = 0;  ///< index in what is tuned, static last where it was not asked
  std::size_t policies = 0;
  std::int64_t runs = 0;  ///< done for this policy
  std::int64_t most_runs = 0;
};

struct TunePolicy {
  std::string text;  ///< as asked: "keda:5"
  spec::PolicyChoice choice;
};

struct TuneOptions {
  spec::Model model;
  std::vector<TunePolicy> policies;
  OpenStream open;  ///< the requests of this model
  double attainment = 0.99;
  double train = 1.0 / 3;  ///< share of the trace's time, in (0, 1)
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = 16;
  workload::Faults faults = {};  ///< at the times of each part, as if it were a trace of its own
  Front front = Front::kGateway;
  OutputLimit output_limit = OutputLimit::kExact;
  std::int64_t most_runs = 120;  ///< a policy, in training
  std::size_t threads = 0;       ///< 0: all there are
  /// A run by its name, "train keda:5, scaleDownDelay 10m, minReplicas 1", if it was done before.
  std::function<std::optional<Outcome>(const std::string& run)> known = {};
  std::function<void(const std::string& run, const Outcome& outcome)> finished = {};
  std::function<void(const TuneProgress&)> progress = {};
  std::function<bool()> stop = {};  ///< true: ends at once; the result says so
};

/// One setting on both parts.
struct Setting {
  Outcome train, test;
};

struct Tuned {
  std::string policy;  ///< as asked
  std::vector<Knob> knobs;
  Point point;
  std::string text;      ///< the policy with its knobs
  std::string yaml;      ///< to paste under `spec:`
  bool reached = false;  ///< in training
  Setting untuned, tuned;
  std::int64_t runs = 0;  ///< in training, those known before included
};

struct TuneResult {
  bool stopped = false;  ///< then `policies` has only those that were ready
  Duration train{0}, test{0};
  std::vector<Tuned> policies;  ///< as asked; then static, if it was not
  std::size_t asked = 0;        ///< of `policies`
  /// Of those asked the best in training.
  std::size_t best = 0;
};

/// Errors: a policy that is not built, a trace that cannot be read or has an empty part, a share or
/// an attainment out of range.
Result<TuneResult> tune(const TuneOptions& options);

}  // namespace tidegate::sim
