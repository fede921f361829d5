#include "cli/tune.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "cli/tune_file.h"
#include "live/net/clock.h"
#include "sim/search/asked.h"
#include "sim/search/tune.h"
#include "sim/search/tune_log.h"
#include "sim/search/tune_report.h"

namespace tidegate::cli {
namespace {

constexpr Duration kProgressAfter = seconds(2);

std::atomic<bool> interrupted{false};

Result<std::vector<sim::TunePolicy>> policies_of(const TuneFlags& flags, const spec::Model& model) {
  std::vector<sim::TunePolicy> out;
  for (const std::string& text : flags.policies) {
    auto choice = format::parse_policy(text);
    if (!choice) return fail(choice.error().within("--policy"));
    out.push_back({text, *choice});
  }
  if (out.empty()) {
    out.push_back({std::string(token(model.scaling.policy)),
                   {model.scaling.policy, model.scaling.policy_knob}});
  }
  return out;
}

/// Everything a run's outcome depends on, but its own name.
Result<std::uint64_t> inputs_of(const TuneFlags& flags, const format::LoadedModel& loaded) {
  const WorldFlags& w = flags.world;
  std::string all = fmt::format("{}\n{}\n{}\n", TIDEGATE_VERSION, loaded.model.name, loaded.yaml);
  for (const spec::Variant& variant : loaded.model.variants) {
    const spec::ColdStart& cold = variant.cold_start;
    for (const spec::Spread* spread : {&cold.procurement, &cold.image, &cold.engine}) {
      for (Duration sample : spread->samples) all += fmt::format("{} ", sample.count());
    }
    if (!cold.weights.time) continue;
    for (Duration sample : cold.weights.time->samples) all += fmt::format("{} ", sample.count());
  }
  for (const std::string& path : {w.trace, w.lengths}) {
    if (path.empty()) continue;
    auto hash = hash_of_file(path);
    if (!hash) return fail(hash.error());
    all += fmt::format("\n{:016x}", *hash);
  }
  all +=
      fmt::format("\n{} {} {} {} {} {}", w.scale, w.speedup, w.from, w.until, w.seed, flags.train);
  return hash_of_text(all);
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

Result<void> write_yaml(const std::string& path, const std::string& yaml) {
  std::ofstream out(path, std::ios::trunc);
  out << yaml;
  out.close();
  if (!out) return fail(fmt::format("--out {}: cannot be written", path));
  return {};
}

Result<int> print(const TuneFlags& flags, const sim::TuneResult& result) {
  const std::string yaml = sim::to_yaml(result, flags.attainment);
  if (!flags.out.empty()) {
    if (auto written = write_yaml(flags.out, yaml); !written) return fail(written.error());
  }
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
  auto trace = trace_options(flags.world);
  if (!trace) return fail(trace.error());
  auto loaded = load_one_model(flags.world);
  if (!loaded) return fail(loaded.error());
  auto policies = policies_of(flags, loaded->model);
  if (!policies) return fail(policies.error());
  auto inputs = inputs_of(flags, *loaded);
  if (!inputs) return fail(inputs.error());
  sim::TuneLog log(*inputs);
  auto file = TuneFile::open(flags.state, log);
  if (!file) return fail(file.error());
  sim::OpenStream open = [path = flags.world.trace,
                          trace = *trace]() -> Result<std::unique_ptr<workload::Stream>> {
    auto reader = format::TraceReader::open(path, trace);
    if (!reader) return fail(reader.error());
    return std::unique_ptr<workload::Stream>(std::move(*reader));
  };
  sim::TuneOptions options{.model = loaded->model,
                           .policies = std::move(*policies),
                           .open = sim::requests_of(std::move(open), loaded->model),
                           .attainment = flags.attainment,
                           .train = flags.train,
                           .seed = flags.world.seed,
                           .prefix_block_tokens = trace->prefix_block_tokens,
                           .most_runs = flags.runs,
                           .threads = flags.jobs};
  return Prepared{std::move(options), std::move(log), std::move(*file)};
}

}  // namespace

int tune(const TuneFlags& flags) {
  auto prepared = prepare(flags);
  if (!prepared) return report(prepared.error());
  sim::TuneOptions& options = prepared->options;
  sim::TuneLog& log = prepared->log;
  const bool json = parse_format(flags.format) == Format::kJson;
  fmt::print(json ? stderr : stdout, "seed {}\n", flags.world.seed);
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
