#include "cli/simulate.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "live/net/clock.h"
#include "sim/compare/results.h"

namespace tidegate::cli {
namespace {

void warn(const SimInput& input, const sim::SimulateResult& result) {
  auto line = [&](const std::string& text) {
    fmt::print(stderr, "tidegate: warning: {}: {}\n", input.trace, text);
  };
  if (!result.skipped.empty()) line(result.skipped);
  for (const spec::Model& model : input.models) {
    for (const spec::MetricSpec& metric : model.scaling.metrics) {
      if (metric.promql.empty()) continue;
      line(
          fmt::format("model {}: there is no Prometheus in a simulation: \"{}\" says nothing, and "
                      "a policy that reads it never goes down",
                      model.name, metric.promql));
    }
  }
  if (result.other_models > 0) {
    line(fmt::format("{} requests name other models (\"{}\") and are left out", result.other_models,
                     result.other_model));
  }
  if (std::int64_t n = result.policies.front().totals.too_long; n > 0) {
    line(
        fmt::format("{} requests are longer than the engine's context or its KV, and count as "
                    "rejected",
                    n));
  }
}

sim::RunInfo info_of(const SimulateFlags& flags, const SimInput& input) {
  return {.title = input.title,
          .program = "tidegate " TIDEGATE_VERSION,
          .command = flags.command,
          .spec = flags.input.spec,
          .trace = input.trace,
          .seed = input.seed};
}

}  // namespace

int simulate(const SimulateFlags& flags) {
  auto input = sim_input(flags.input);
  if (!input) return report(input.error());
  const bool json = parse_format(flags.format) == Format::kJson;
  auto files = sim::Files::open(flags.files, info_of(flags, *input));
  if (!files) return report(files.error());
  if (!json && !input->title.empty()) fmt::print("{}\n", input->title);
  fmt::print(json ? stderr : stdout, "seed {}\n", input->seed);
  std::fflush(stdout);
  sim::SimulateOptions options{.models = input->models,
                               .policies = input->policies,
                               .open = input->open,
                               .clock = [] { return net::WorldClock::mono_now(); },
                               .progress = sim_progress(input->policies),
                               .seed = input->seed,
                               .prefix_block_tokens = input->prefix_block_tokens,
                               .faults = input->faults,
                               .front = input->front,
                               .output_limit = input->output_limit,
                               .oracle_budget = flags.oracle_budget};
  if (flags.input.through_text) options.pages = sim::Pages::kText;
  if (flags.files.any()) {
    options.recorder = [&](const std::string& policy, const spec::Model& model) {
      return (*files)->recorder(policy, model);
    };
  }
  auto result = sim::simulate(options);
  if (options.progress) fmt::print(stderr, "\r\x1b[K");
  if (!result) return report(result.error());
  warn(*input, *result);
  auto results = nlohmann::ordered_json::array();
  for (const auto& policy : result->policies) results.push_back(sim::to_json(policy));
  if (json) {
    print_results(results);
  } else {
    fmt::print("{}", sim::to_table(*result, input->models));
  }
  std::fflush(stdout);
  if (auto written = (*files)->finish(results); !written) return report(written.error());
  return 0;
}

}  // namespace tidegate::cli
