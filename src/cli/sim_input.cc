#include "cli/sim_input.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/spec_choice.h"
#include "format/scenario.h"
#include "format/spec_yaml.h"
#include "format/trace.h"
#include "live/net/clock.h"

namespace tidegate::cli {
namespace {

constexpr Duration kProgressAfter = seconds(2);

Result<format::TraceOptions> trace_options(const SimInputFlags& flags, std::uint64_t seed) {
  format::TraceOptions options;
  options.scale = flags.scale;
  options.speedup = flags.speedup;
  options.seed = seed;
  options.lengths = flags.lengths;
  auto checked = duration_flag("--from", flags.from, options.from).and_then([&] {
    return duration_flag("--until", flags.until, options.until);
  });
  if (!checked) return fail(checked.error());
  return options;
}

/// A scenario plays all its models; of a spec file the one that is asked for.
Result<std::vector<spec::Model>> models_of(format::ScenarioFile& file, const SimInputFlags& flags) {
  std::vector<format::LoadedModel*> chosen;
  if (file.scenario && flags.model.empty()) {
    for (auto& loaded : file.spec.models) chosen.push_back(&loaded);
  } else {
    auto one = one_of(file.spec, flags.spec, flags.model);
    if (!one) return fail(one.error());
    chosen = {*one};
  }
  std::vector<spec::Model> out;
  for (format::LoadedModel* loaded : chosen) {
    auto found = format::resolve_profiles(*loaded, format::profile_directories());
    if (!found) return fail(found.error().within(flags.spec));
    out.push_back(std::move(loaded->model));
  }
  return out;
}

Result<std::vector<sim::PolicyAsked>> policies_of(const std::vector<std::string>& asked,
                                                  const std::vector<spec::Model>& models) {
  std::vector<sim::PolicyAsked> out;
  for (const std::string& text : asked) {
    auto choice = format::parse_policy(text);
    if (!choice) return fail(choice.error().within("--policy"));
    out.push_back({text, *choice});
  }
  if (!out.empty()) return out;
  out.push_back(sim::policy_of(models.front()));
  for (const spec::Model& model : models) {
    if (sim::policy_of(model).text != out.front().text) {
      return fail(fmt::format(
          "the models name different policies ({} of {}, {} of {}); choose with "
          "--policy",
          out.front().text, models.front().name, sim::policy_of(model).text, model.name));
    }
  }
  return out;
}

/// Where the requests come from: --trace, else the scenario's workload.
Result<void> take_workload(const format::ScenarioFile& file, const SimInputFlags& flags,
                           SimInput& input) {
  if (!flags.trace.empty()) {
    auto options = trace_options(flags, input.seed);
    if (!options) return fail(options.error());
    input.prefix_block_tokens = options->prefix_block_tokens;
    input.trace = flags.trace;
    input.open = [path = flags.trace, options = *options] {
      return format::TraceReader::open(path, options);
    };
    return {};
  }
  if (!file.scenario) {
    return fail(
        "--trace FILE is missing: a spec says what serves, not what arrives (a scenario "
        "does both)");
  }
  const bool shaped = flags.scale != 1 || flags.speedup != 1 || !flags.from.empty() ||
                      !flags.until.empty() || !flags.lengths.empty();
  if (shaped) {
    return fail(
        "--scale, --speedup, --from, --until and --lengths are for --trace; the "
        "scenario's workload says its own");
  }
  input.prefix_block_tokens = format::prefix_block_tokens(*file.scenario);
  input.trace = file.scenario->trace ? file.scenario->trace->path : "made by the scenario";
  workload::Scenario scenario = *file.scenario;
  scenario.seed = static_cast<std::int64_t>(input.seed);
  input.open = [scenario = std::move(scenario), folder = file.folder] {
    return format::open_workload(scenario, folder);
  };
  return {};
}

}  // namespace

Result<SimInput> sim_input(const SimInputFlags& flags) {
  format::ScenarioFile file = format::load_scenario_file(flags.spec);
  if (!file.spec.ok()) return fail(errors_of(file.spec));
  SimInput input;
  std::vector<std::string> policies = flags.policies;
  if (file.scenario) {
    const workload::Scenario& scenario = *file.scenario;
    input.faults = scenario.faults;
    input.front = scenario.front;
    input.title = scenario.title;
    input.seed = static_cast<std::uint64_t>(scenario.seed);
    if (policies.empty()) policies = scenario.policies;
  }
  input.seed = flags.seed.value_or(input.seed);
  auto models = models_of(file, flags);
  if (!models) return fail(models.error());
  input.models = std::move(*models);
  for (spec::Model& model : input.models) {
    if (model.front.by == spec::Front::kProxy) input.front = spec::Front::kProxy;
    model.front.queue_metrics.clear();  // the simulator's proxy has no queue
  }
  if (!flags.behind.empty()) {
    input.front = flags.behind == "proxy" ? workload::Front::kProxy : workload::Front::kGateway;
  }
  if (flags.output_limit == "unsaid") input.output_limit = sim::OutputLimit::kUnsaid;
  auto asked = policies_of(policies, input.models);
  if (!asked) return fail(asked.error());
  input.policies = std::move(*asked);
  if (auto taken = take_workload(file, flags, input); !taken) return fail(taken.error());
  return input;
}

std::function<void(const sim::Progress&)> sim_progress(
    const std::vector<sim::PolicyAsked>& policies) {
  if (::isatty(STDERR_FILENO) != 1) return {};
  return [began = net::WorldClock::mono_now(), policies](const sim::Progress& p) {
    Duration passed = net::WorldClock::mono_now() - began;
    if (passed < kProgressAfter) return;
    double share = (static_cast<double>(p.policy) + std::clamp(p.share, 0.0, 1.0)) /
                   static_cast<double>(policies.size());
    std::string left;
    if (share > 0.005) {
      double rest = to_seconds(passed) * (1 - share) / share;
      left = ", ETA " + format::format_duration(seconds(static_cast<std::int64_t>(rest) + 1));
    }
    std::string requests = p.requests > 0 ? fmt::format(" {} requests", p.requests) : "";
    fmt::print(stderr, "\r{:3.0f}% {}:{}{}\x1b[K", share * 100, policies[p.policy].text, requests,
               left);
    std::fflush(stderr);
  };
}

}  // namespace tidegate::cli
