#pragma once
// What a simulation works on, from the command line: a spec file with a trace, or a scenario file,
// which has both and what goes wrong besides.
//
//   auto input = sim_input(flags);
//   if (!input) return report(input.error());
//   sim::simulate({.models = input->models, .policies = input->policies, .open = input->open, ...});
//
// Flags win over the file. Errors: a file at fault (all its errors, a line each), a flag that says
// nothing here.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/workload/faults.h"
#include "core/workload/front.h"
#include "core/workload/stream.h"
#include "sim/compare/simulate.h"

namespace tidegate::cli {

struct SimInputFlags {
  std::string spec;                    // -f FILE (required): kind Model or Scenario
  std::string model;                   // --model NAME: where the spec has several
  std::string trace;                   // --trace FILE: known by its header; a scenario has its own
  std::string lengths;                 // --lengths FILE: token lengths for a rate series
  std::vector<std::string> policies;   // --policy a,b,static:4; default the file's own
  double scale = 1;                    // --scale X: multiplies the rate, > 0
  double speedup = 1;                  // --speedup X: presses time, > 0
  std::string from;                    // --from DURATION: where in the trace to start
  std::string until;                   // --until DURATION: where to stop
  std::optional<std::uint64_t> seed;   // --seed N; default the scenario's, else 1
  bool through_text = false;           // --through-text: engines are read through vLLM's text
  std::string output_limit = "exact";  // --output-limit exact|unsaid
  std::string behind;  // --behind gateway|proxy; default the scenario's or the spec's
};

struct SimInput {
  std::vector<spec::Model> models;  ///< profiles resolved
  std::vector<sim::PolicyAsked> policies;
  std::function<Result<std::unique_ptr<workload::Stream>>()> open;
  workload::Faults faults;
  workload::Front front = workload::Front::kGateway;
  sim::OutputLimit output_limit = sim::OutputLimit::kExact;
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = 16;
  std::string title;  ///< of the scenario
  std::string trace;  ///< where the requests come from, for people
};

Result<SimInput> sim_input(const SimInputFlags& flags);

/// One line on the terminal, where it is one, once it has taken a while.
std::function<void(const sim::Progress&)> sim_progress(
    const std::vector<sim::PolicyAsked>& policies);

}  // namespace tidegate::cli
