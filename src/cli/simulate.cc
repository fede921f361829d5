#include "cli/simulate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "format/spec_yaml.h"
#include "live/net/clock.h"
#include "sim/report.h"
#include "sim/simulate.h"

namespace tidegate::cli {
namespace {

constexpr Duration kProgressAfter = seconds(2);

Result<void> duration_flag(std::string_view name, const std::string& text, Duration& out) {
  if (text.empty()) return {};
  auto parsed = format::parse_duration(text);
  if (!parsed) return fail(parsed.error().within(name));
  out = *parsed;
  return {};
}

Result<format::TraceOptions> trace_options(const SimulateFlags& flags) {
  format::TraceOptions options;
  options.scale = flags.scale;
  options.speedup = flags.speedup;
  options.seed = flags.seed;
  options.lengths = flags.lengths;
  auto checked = duration_flag("--from", flags.from, options.from).and_then([&] {
    return duration_flag("--until", flags.until, options.until);
  });
  if (!checked) return fail(checked.error());
  return options;
}

/// The model asked for. Warnings are for `check`: here they would hide the figures.
Result<spec::Model> load_model(const SimulateFlags& flags) {
  format::SpecFile file = format::load_spec_file(flags.spec);
  if (!file.ok()) {
    std::string text;
    for (const auto& d : file.diagnostics) {
      if (d.severity == format::Severity::kError) text += (text.empty() ? "" : "\n") + d.text();
    }
    return fail(text);
  }
  std::string names;
  for (auto& loaded : file.models) {
    if (loaded.model.name == flags.model || (flags.model.empty() && file.models.size() == 1)) {
      auto found = format::resolve_profiles(loaded, format::profile_directories());
      if (!found) return fail(found.error().within(flags.spec));
      return std::move(loaded.model);
    }
    names += (names.empty() ? "" : ", ") + loaded.model.name;
  }
  return fail(
      flags.model.empty()
          ? fmt::format("{}: more than one model ({}); choose with --model", flags.spec, names)
          : fmt::format("{}: no model \"{}\"; there is {}", flags.spec, flags.model, names));
}

Result<std::vector<sim::PolicyAsked>> policies_of(const SimulateFlags& flags,
                                                  const spec::Model& model) {
  std::vector<sim::PolicyAsked> out;
  for (const std::string& text : flags.policies) {
    auto choice = format::parse_policy(text);
    if (!choice) return fail(choice.error().within("--policy"));
    out.push_back({text, *choice});
  }
  if (out.empty()) out.push_back(sim::policy_of(model));
  return out;
}

Result<sim::SimulateOptions> options_of(const SimulateFlags& flags) {
  sim::SimulateOptions options;
  auto trace = trace_options(flags);
  if (!trace) return fail(trace.error());
  auto model = load_model(flags);
  if (!model) return fail(model.error());
  options.model = std::move(*model);
  auto policies = policies_of(flags, options.model);
  if (!policies) return fail(policies.error());
  options.policies = std::move(*policies);
  options.seed = flags.seed;
  options.prefix_block_tokens = trace->prefix_block_tokens;
  options.open = [path = flags.trace, trace = *trace] {
    return format::TraceReader::open(path, trace);
  };
  options.clock = [] { return net::WorldClock::mono_now(); };
  return options;
}

/// One line on the terminal, once it has taken a while.
void show_progress(sim::SimulateOptions& options) {
  if (::isatty(STDERR_FILENO) != 1) return;
  const Instant began = net::WorldClock::mono_now();
  options.progress = [began, policies = options.policies](const sim::Progress& p) {
    Duration passed = net::WorldClock::mono_now() - began;
    if (passed < kProgressAfter) return;
    double share = (static_cast<double>(p.policy) + std::clamp(p.share, 0.0, 1.0)) /
                   static_cast<double>(policies.size());
    std::string left;
    if (share > 0.005) {
      double rest = to_seconds(passed) * (1 - share) / share;
      left = ", ETA " + format::format_duration(seconds(static_cast<std::int64_t>(rest) + 1));
    }
    fmt::print(stderr, "\r{:3.0f}% {}: {} requests{}\x1b[K", share * 100, policies[p.policy].text,
               p.requests, left);
    std::fflush(stderr);
  };
}

void warn(const SimulateFlags& flags, const sim::SimulateResult& result) {
  auto line = [&](const std::string& text) {
    fmt::print(stderr, "tidegate: warning: {}: {}\n", flags.trace, text);
  };
  if (!result.skipped.empty()) line(result.skipped);
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

}  // namespace

int simulate(const SimulateFlags& flags) {
  auto options = options_of(flags);
  if (!options) return report(options.error());
  const bool json = parse_format(flags.format) == Format::kJson;
  fmt::print(json ? stderr : stdout, "seed {}\n", flags.seed);
  std::fflush(stdout);
  show_progress(*options);
  auto result = sim::simulate(*options);
  if (options->progress) fmt::print(stderr, "\r\x1b[K");
  if (!result) return report(result.error());
  warn(flags, *result);
  if (json) {
    auto results = nlohmann::ordered_json::array();
    for (const auto& policy : result->policies) results.push_back(sim::to_json(policy));
    print_results(results);
  } else {
    fmt::print("{}", sim::to_table(*result, options->model));
  }
  return 0;
}

}  // namespace tidegate::cli
