#pragma once
// simulate(): one trace against several policies, each in a Cluster of its own, side by side.
//
//   auto results = simulate({.models = {model}, .policies = asked,
//                            .open = [&] { return format::TraceReader::open(path, options); },
//                            .clock = [] { return now; }});
//
// The trace is read once for each policy, as a stream. All begin with the same replicas
// (sim/sizing.h) and are billed until the trace has ended and the slowest of them has drained, so
// figures can be held against each other; which policies were asked, not their order, decides that
// instant. `oracle:A` is searched for last (sim/search/oracle.h), model by model, with what the
// policies beside it did among its candidates, and then played like one. The spec's mode, pause and
// target are set aside: a simulation is asked what the policy would do. Only the wall figures of a
// result differ between two runs. Thread-safety: a function.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"
#include "core/spec/options.h"
#include "core/workload/faults.h"
#include "core/workload/stream.h"
#include "format/trace.h"
#include "sim/search/oracle.h"
#include "sim/world.h"

namespace tidegate::sim {

struct PolicyAsked {
  std::string text;  ///< as asked: "keda:5"
  spec::PolicyChoice choice;
};

/// The policy a spec names itself.
PolicyAsked policy_of(const spec::Model& model);

/// How engines are read: both give the same results.
enum class Pages : std::uint8_t {
  kDirect,
  kText,  ///< each page as vLLM's text, parsed again (sim/compare/text_pages.h); slower
};

struct Progress {
  std::size_t policy = 0;  ///< index in `policies`
  double share = 0;        ///< of the trace, or of the oracle's budget
  std::int64_t requests = 0;
};

struct SimulateOptions {
  std::vector<spec::Model> models;  ///< at least one; profiles resolved
  std::vector<PolicyAsked> policies;
  std::function<Result<std::unique_ptr<workload::Stream>>()> open;
  std::function<Instant()> clock;                      ///< real time, for the wall figures alone
  std::function<void(const Progress&)> progress = {};  ///< now and then; may be empty
  /// Who is told what happens, or null; may be empty.
  std::function<Recorder*(const std::string& policy, const spec::Model&)> recorder = {};
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = format::kTracePrefixBlockTokens;
  workload::Faults faults = {};
  Front front = Front::kGateway;
  OutputLimit output_limit = OutputLimit::kExact;
  Pages pages = Pages::kDirect;
  std::int64_t oracle_budget = OracleOptions::kBudget;  ///< simulated requests, for each model
};

struct ModelResult {
  std::string model;
  Totals totals;
};

/// How an oracle's schedules were found.
struct OracleNote {
  bool reached = false;  ///< by every model's
  std::string found_by;  ///< of each model, joined by ", "
  std::int64_t evaluations = 0;
  bool exhausted = false;  ///< a budget ended a search; more may find less
};

struct PolicyResult {
  std::string policy;               ///< as asked
  Totals totals;                    ///< of all models; peaks are summed, whenever they were
  std::vector<ModelResult> models;  ///< in the order of SimulateOptions::models
  std::optional<OracleNote> oracle;
  Duration simulated{0};  ///< from the start of the trace to the common end
  Duration wall{0};
};

struct SimulateResult {
  std::vector<PolicyResult> policies;              ///< in the order asked
  std::string skipped;                             ///< what of the trace could not be used
  std::int64_t other_models = 0;                   ///< requests that name no model: left out
  std::string other_model;                         ///< the first such name
  std::vector<std::vector<std::int64_t>> initial;  ///< replicas at the start, by model and variant
};

/// Errors: a policy that is not built, a trace that cannot be read or has no request for a model.
Result<SimulateResult> simulate(const SimulateOptions& options);

}  // namespace tidegate::sim
