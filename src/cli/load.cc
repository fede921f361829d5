#include "cli/load.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/admin_client.h"
#include "cli/spec_choice.h"
#include "format/trace.h"
#include "live/load/load.h"
#include "live/load/report.h"
#include "live/net/signals.h"

namespace tidegate::cli {
namespace {

constexpr Duration kAskModelTimeout = seconds(10);
constexpr Duration kProgressEvery = millis(200);
/// Descriptors that are not requests: files, epoll, the terminal.
constexpr rlim_t kSpareDescriptors = 64;

Result<void> bound_flag(std::string_view name, const std::string& text,
                        std::optional<spec::LatencyBound>& out) {
  if (text.empty()) return {};
  spec::LatencyBound bound = out.value_or(spec::LatencyBound{});
  if (auto parsed = duration_flag(name, text, bound.bound); !parsed) return parsed;
  if (bound.bound <= Duration(0)) return fail(std::string(name) + ": must be above 0");
  out = bound;
  return {};
}

/// The model of -f: the only one, or the one --model names.
Result<void> take_spec(const LoadOptions& options, live::LoadConfig& config) {
  if (options.spec.empty()) return {};
  auto file = spec_of(options.spec);
  if (!file) return fail(file.error());
  auto found = one_of(*file, options.spec, options.model);
  if (!found) return fail(found.error());
  const spec::Model& model = (*found)->model;
  config.slo = model.slo;
  for (const auto& priority : model.priority_classes) {
    config.priority_names.push_back(priority.name);
  }
  if (config.model.empty() && !model.served_names.empty()) {
    config.fallback_model = model.served_names.front();
  }
  return {};
}

Result<live::LoadConfig> config_of(const LoadOptions& options) {
  live::LoadConfig config;
  auto url = net::parse_url(options.url);
  if (!url) return fail(url.error().within("--url"));
  config.url = *url;
  if (!(options.time_scale > 0 && options.time_scale <= 1000)) {
    return fail(fmt::format("--time-scale {}: above 0 and at most 1000", options.time_scale));
  }
  config.time_scale = options.time_scale;
  config.endpoint = options.chat ? live::LoadEndpoint::kChat : live::LoadEndpoint::kCompletions;
  config.model = options.model;
  config.seed = options.seed;
  if (options.max_open == 0) return fail("--max-open 0: no request could be sent; give 1 or more");
  config.max_open = options.max_open;
  auto checked =
      take_spec(options, config)
          .and_then([&] { return bound_flag("--slo-ttft", options.slo_ttft, config.slo.ttft); })
          .and_then([&] { return bound_flag("--slo-itl", options.slo_itl, config.slo.itl); })
          .and_then([&] { return bound_flag("--slo-e2e", options.slo_e2e, config.slo.e2e); })
          .and_then([&] { return duration_flag("--timeout", options.timeout, config.timeout); });
  if (!checked) return fail(checked.error());
  if (!options.api_key_env.empty()) {
    const char* key = std::getenv(options.api_key_env.c_str());
    if (key == nullptr) return fail("--api-key-env: " + options.api_key_env + " is not set");
    config.api_key = key;
  }
  return config;
}

Result<std::unique_ptr<format::TraceReader>> open_trace(const LoadOptions& options) {
  format::TraceOptions trace;
  trace.scale = options.scale;
  trace.speedup = options.speedup;
  trace.seed = options.seed;
  trace.lengths = options.lengths;
  auto checked = duration_flag("--from", options.from, trace.from).and_then([&] {
    return duration_flag("--until", options.until, trace.until);
  });
  if (!checked) return fail(checked.error());
  return format::TraceReader::open(options.trace, trace);
}

/// One descriptor a request: as many as the system gives, and no more requests than that.
void fit_descriptors(live::LoadConfig& config) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= 2 * kSpareDescriptors) return;
  config.max_open = std::min<std::size_t>(config.max_open, limit.rlim_cur - kSpareDescriptors);
}

/// Redraws one line on the terminal until it is destroyed.
class ProgressBar {
 public:
  ProgressBar(net::Loop& loop, const live::LoadRun& run, const format::TraceReader& trace)
      : loop_(loop), run_(run), trace_(trace), on_(::isatty(STDERR_FILENO) == 1) {
    if (on_) draw();
  }
  ~ProgressBar() {
    if (!on_) return;
    loop_.cancel(timer_);
    fmt::print(stderr, "\r\x1b[K");
  }

 private:
  void draw() {
    fmt::print(stderr, "\r{}\x1b[K", live::progress_line(run_.result(), trace_.progress()));
    std::fflush(stderr);
    timer_ = loop_.after(kProgressEvery, [this] { draw(); });
  }
  net::Loop& loop_;
  const live::LoadRun& run_;
  const format::TraceReader& trace_;
  bool on_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

/// Whether the first request says which model it is for; it stays the first.
Result<void> settle_model(const workload::TraceRequest& first, live::LoadConfig& config) {
  if (!config.model.empty() || !config.fallback_model.empty() || !first.model.empty()) return {};
  auto asked = live::ask_model(config.url, config.api_key, kAskModelTimeout);
  if (!asked) return fail(asked.error().message + "; name the model with --model");
  config.fallback_model = *asked;
  return {};
}

}  // namespace

int load(const LoadOptions& options) {
  auto config = config_of(options);
  if (!config) return report(config.error());
  auto trace = open_trace(options);
  if (!trace) return report(trace.error());
  format::TraceReader& reader = **trace;
  workload::TraceRequest first;
  bool first_waits = reader.next(first);
  if (!first_waits) {
    std::string notes = reader.notes().text();
    return report({options.trace + ": no request in the part asked for" +
                   (notes.empty() ? "" : "; " + notes)});
  }
  if (auto settled = settle_model(first, *config); !settled) return report(settled.error());
  fit_descriptors(*config);
  auto loop = net::Loop::create();
  if (!loop) return report(loop.error());
  live::LoadRun run(**loop, *config, [&](workload::TraceRequest& out) {
    if (!first_waits) return reader.next(out);
    first_waits = false;
    out = first;
    return true;
  });
  auto signals = net::Signals::create(**loop, [&](int) {
    if (run.result().interrupted) std::_Exit(1);
    run.stop();
  });
  if (!signals) return report(signals.error());
  {
    ProgressBar bar(**loop, run, reader);
    run.start([&] { (*loop)->stop(); });
    (*loop)->run();
  }
  if (auto notes = reader.notes().text(); !notes.empty()) {
    fmt::print(stderr, "tidegate: warning: {}: {}\n", options.trace, notes);
  }
  live::LoadResult result = run.result();
  if (result.score.completed == 0 && result.errors.contains("connect")) {
    fmt::print(stderr, "tidegate: warning: no request reached {}: does a server listen there?\n",
               options.url);
  }
  if (parse_format(options.format) == Format::kJson) {
    print_results(nlohmann::ordered_json::array({live::to_json(result)}));
  } else {
    fmt::print("{}", live::to_table(result, config->slo));
  }
  return result.interrupted ? 1 : 0;
}

}  // namespace tidegate::cli
