#pragma once
// simulate(): one trace against several policies, each in a World of its own, side by side.
//
//   auto results = simulate({.model = model, .policies = asked,
//                            .open = [&] { return format::TraceReader::open(path, options); },
//                            .clock = [] { return now; }});
//
// The trace is read once for each policy, as a stream. All worlds begin with the same replicas
// (sim/sizing.h) and are billed until the trace has ended and the slowest of them has drained, so
// figures can be held against each other; which policies were asked, not their order, decides that
// instant. The spec's mode, pause and target are set aside: a simulation is asked what the policy
// would do. Only the wall figures of a result differ between two runs. Thread-safety: a function.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"
#include "core/spec/options.h"
#include "format/trace.h"
#include "sim/world.h"

namespace tidegate::sim {

struct PolicyAsked {
  std::string text;  ///< as asked: "keda:5"
  spec::PolicyChoice choice;
};

/// The policy a spec names itself.
PolicyAsked policy_of(const spec::Model& model);

struct Progress {
  std::size_t policy = 0;  ///< index in `policies`
  double share = 0;        ///< of the trace
  std::int64_t requests = 0;
};

struct SimulateOptions {
  spec::Model model;
  std::vector<PolicyAsked> policies;
  std::function<Result<std::unique_ptr<workload::Stream>>()> open;
  std::function<Instant()> clock;                      ///< real time, for the wall figures alone
  std::function<void(const Progress&)> progress = {};  ///< now and then; may be empty
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = format::kTracePrefixBlockTokens;
};

struct PolicyResult {
  std::string policy;  ///< as asked
  Totals totals;
  Duration simulated{0};  ///< from the start of the trace to the common end
  Duration wall{0};
};

struct SimulateResult {
  std::vector<PolicyResult> policies;  ///< in the order asked
  std::string skipped;                 ///< what of the trace could not be used, for people
  std::int64_t other_models = 0;       ///< requests that name another model: left out
  std::string other_model;             ///< the first such name
  std::vector<std::int64_t> initial;   ///< replicas at the start, one a variant
};

/// Errors: a policy that is not built, a trace that cannot be read or has no request for the model.
Result<SimulateResult> simulate(const SimulateOptions& options);

}  // namespace tidegate::sim
