#include "cli/tune.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "cli/text_file.h"
#include "cli/tune_file.h"
#include "format/profile.h"
#include "format/spec_yaml.h"
#include "live/net/clock.h"
#include "sim/search/asked.h"
#include "sim/search/tune.h"
#include "sim/search/tune_log.h"
#include "sim/search/tune_report.h"

namespace tidegate::cli {
namespace {

constexpr Duration kProgressAfter = seconds(2);

std::atomic<bool> interrupted{false};

std::string samples_of(const spec::ColdStart& cold) {
  std::string out;
  auto add = [&](const spec::Spread& spread) {
    for (Duration sample : spread.samples) out += fmt::format("{} ", sample.count());
    out += "\n";
  };
  add(cold.procurement);
  add(cold.image);
  add(cold.engine);
  for (const auto* spread : {&cold.engine_cached, &cold.wake_level1, &cold.wake_level2}) {
    if (*spread) add(**spread);
  }
  if (cold.weights.time) add(*cold.weights.time);
  return out;
}

/// Everything a run's outcome depends on, but its own name: the file and what it refers to, and
/// the requests as they come out, whatever flags made them so.
Result<std::uint64_t> inputs_of(const TuneFlags& flags, const SimInput& input) {
  auto file = hash_of_file(flags.input.spec);
  if (!file) return fail(file.error());
  std::string all =
      fmt::format("{} {:016x} {} {} {} {} {} {}\n", TIDEGATE_VERSION, *file, input.models[0].name,
                  input.seed, static_cast<int>(input.front), static_cast<int>(input.output_limit),
                  input.prefix_block_tokens, flags.train);
  for (const spec::Variant& variant : input.models[0].variants) {
    all += format::profile_yaml(variant.profile) + samples_of(variant.cold_start);
  }
  auto stream = input.open();
  if (!stream) return fail(stream.error());
  std::uint64_t hash = hash_of_text(all);
  for (workload::TraceRequest r; (*stream)->next(r);) hash = hash_of(r, hash);
  return hash;
}

/// One line on the terminal, once it has taken a while.
std::function<void(const sim::TuneProgress&)> progress_line(
    const std::vector<sim::TunePolicy>& policies) {
  if (::isatty(STDERR_FILENO) != 1) return {};
  const Instant began = net::WorldClock::mono_now();
  return [began, policies](const sim::TuneProgress& p) {
    Duration passed = net::WorldClock::mono_now() - began;
    if (passed < kProgressAfter) return;
    double share = (static_cast<double>(p.policy) +
                    static_cast<double>(p.runs) / static_cast<double>(p.most_runs)) /
                   static_cast<double>(p.policies);
    std::string left;
    if (share > 0) {
      double rest = to_seconds(passed) * (1 - share) / share;
      left = ", at most " + format::format_duration(seconds(static_cast<std::int64_t>(rest) + 1)) +
             " more";
    }
    fmt::print(stderr, "\r{:3.0f}% {}: {} runs{}\x1b[K", share * 100,
               p.policy < policies.size() ? policies[p.policy].text : "static", p.runs, left);
    std::fflush(stderr);
  };
}

/// SIGINT asks for the end; a second one is the system's.
class Interrupt {
 public:
  Interrupt() {
    interrupted = false;
    struct sigaction action = {};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &before_);
  }
  ~Interrupt() { ::sigaction(SIGINT, &before_, nullptr); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  struct sigaction before_ = {};
};

int stopped(const TuneFlags& flags, const sim::TuneLog& log) {
  if (flags.state.empty()) {
    fmt::print(stderr,
               "tidegate: stopped; nothing is kept. With --state FILE the same command goes on "
               "where it was stopped\n");
  } else {
    fmt::print(stderr,
               "tidegate: stopped; {} runs are kept in {}: the same command goes on from there\n",
               log.size(), flags.state);
  }
  return 1;
}

Result<int> print(const TuneFlags& flags, const sim::TuneResult& result) {
  const std::string yaml = sim::to_yaml(result, flags.attainment);
  if (auto written = write_text(flags.out, yaml); !written) return fail(written.error());
  if (parse_format(flags.format) == Format::kJson) {
    auto results = nlohmann::ordered_json::array();
    for (const auto& policy : result.policies) results.push_back(sim::to_json(policy));
    print_results(results);
  } else {
    fmt::print("{}\n{}", sim::to_table(result, flags.attainment), yaml);
  }
  return 0;
}

struct Prepared {
  sim::TuneOptions options;
  sim::TuneLog log;
  TuneFile file;
};

Result<Prepared> prepare(const TuneFlags& flags) {
  if (auto able = check_writable(flags.out); !able) return fail(able.error().within("--out"));
  auto input = sim_input(flags.input);
  if (!input) return fail(input.error());
  if (input->models.size() > 1) {
    return fail(fmt::format("{}: more than one model; choose with --model", flags.input.spec));
  }
  auto inputs = inputs_of(flags, *input);
  if (!inputs) return fail(inputs.error());
  sim::TuneLog log(*inputs);
  auto file = TuneFile::open(flags.state, log);
  if (!file) return fail(file.error());
  const spec::Model& model = input->models[0];
  sim::TuneOptions options{.model = model,
                           .open = sim::requests_of(input->open, model),
                           .attainment = flags.attainment,
                           .train = flags.train,
                           .seed = input->seed,
                           .prefix_block_tokens = input->prefix_block_tokens,
                           .faults = input->faults,
                           .front = input->front,
                           .output_limit = input->output_limit,
                           .most_runs = flags.runs,
                           .threads = flags.jobs};
  for (const sim::PolicyAsked& asked : input->policies) {
    options.policies.push_back({asked.text, asked.choice});
  }
  return Prepared{std::move(options), std::move(log), std::move(*file)};
}

}  // namespace

int tune(const TuneFlags& flags) {
  auto prepared = prepare(flags);
  if (!prepared) return report(prepared.error());
  sim::TuneOptions& options = prepared->options;
  sim::TuneLog& log = prepared->log;
  const bool json = parse_format(flags.format) == Format::kJson;
  fmt::print(json ? stderr : stdout, "seed {}\n", options.seed);
  std::fflush(stdout);
  if (log.size() > 0 || log.unreadable() > 0) {
    fmt::print(stderr, "tidegate: {} runs are known from {}{}\n", log.size(), flags.state,
               log.unreadable() > 0
                   ? fmt::format(" ({} unreadable lines skipped)", log.unreadable())
                   : "");
  }
  bool told = false;
  options.known = [&](const std::string& run) { return log.find(run); };
  options.finished = [&](const std::string& run, const sim::Outcome& outcome) {
    auto kept = prepared->file.append(log.add(run, outcome));
    if (!kept && !told) fmt::print(stderr, "tidegate: warning: {}\n", kept.error().message);
    told = told || !kept;
  };
  options.progress = progress_line(options.policies);
  Interrupt interrupt;
  options.stop = [] { return interrupted.load(); };
  auto result = sim::tune(options);
  if (options.progress) fmt::print(stderr, "\r\x1b[K");
  if (!result) return report(result.error());
  if (result->stopped) return stopped(flags, log);
  auto printed = print(flags, *result);
  return printed ? *printed : report(printed.error());
}

}  // namespace tidegate::cli
