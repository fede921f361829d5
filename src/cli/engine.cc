#include "cli/engine.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>

#include "format/spec_yaml.h"
#include "live/emulator/emulator.h"
#include "live/emulator/environment.h"
#include "live/net/log.h"
#include "live/net/signals.h"

namespace tidegate::cli {
namespace {

constexpr int kUsage = 2;

/// A thousand streams are a thousand sockets.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/// "30s", or as vLLM has it "30".
Result<Duration> parse_timeout(const std::string& text) {
  bool bare = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  return format::parse_duration(bare ? text + "s" : text);
}

Result<void> apply_lora(live::EmulatorOptions& out, const EngineOptions& flags) {
  out.enable_lora = flags.enable_lora;
  out.max_loras = flags.max_loras;
  out.runtime_lora = out.runtime_lora || flags.runtime_lora;
  for (const std::string& text : flags.lora_modules) {
    std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos || equals + 1 == text.size()) {
      return fail(fmt::format("--lora-modules: \"{}\" is not NAME=PATH", text));
    }
    out.lora_modules.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return {};
}

Result<live::EmulatorOptions> emulator_options(const EngineOptions& flags) {
  live::EmulatorOptions out;
  auto from_environment = live::apply_environment(
      out, [](const char* name) -> const char* { return std::getenv(name); });
  if (!from_environment) return fail(from_environment.error());
  if (!flags.profile.empty()) {
    auto ok = live::apply_profile(out, flags.profile);
    if (!ok) return fail(ok.error().within("--profile"));
  }
  out.listen = {flags.host, flags.port};
  if (!flags.model.empty()) out.served_names = {flags.model};
  if (!flags.served_names.empty()) out.served_names = flags.served_names;
  if (flags.max_num_seqs) out.max_num_seqs = flags.max_num_seqs;
  out.max_num_batched_tokens = flags.max_num_batched_tokens;
  out.max_model_len = flags.max_model_len;
  out.max_num_queued_reqs = flags.max_num_queued_reqs;
  out.data_parallel_size = flags.data_parallel_size;
  out.prefix_caching = !flags.no_enable_prefix_caching;
  if (flags.scheduling_policy != "fcfs" && flags.scheduling_policy != "priority") {
    return fail(fmt::format("--scheduling-policy: \"{}\" is neither fcfs nor priority",
                            flags.scheduling_policy));
  }
  out.priority_scheduling = flags.scheduling_policy == "priority";
  if (auto ok = apply_lora(out, flags); !ok) return fail(ok.error());
  out.enable_sleep_mode = out.enable_sleep_mode || flags.enable_sleep_mode;
  out.dev_mode = out.dev_mode || flags.dev_mode;
  out.load_tracking = flags.enable_server_load_tracking;
  out.prompt_tokens_details = flags.enable_prompt_tokens_details;
  out.api_key = flags.api_key;
  if (!flags.cold_start.empty()) {
    auto cold = live::parse_cold_start(flags.cold_start);
    if (!cold) return fail(cold.error().within("--cold-start"));
    out.cold_start = *cold;
  }
  auto timeout = parse_timeout(flags.shutdown_timeout);
  if (!timeout) return fail(timeout.error().within("--shutdown-timeout"));
  out.shutdown_timeout = *timeout;
  if (flags.seed) out.seed = *flags.seed;
  if (flags.time_scale) out.time_scale = *flags.time_scale;
  for (const std::string& text : flags.faults) {
    if (auto ok = live::add_fault(out.faults, text); !ok) return fail(ok.error().within("--fault"));
  }
  if (auto ok = out.check(); !ok) return fail(ok.error());
  return out;
}

net::Level level_of(const std::string& name) {
  if (name == "debug") return net::Level::kDebug;
  if (name == "warn") return net::Level::kWarn;
  if (name == "error") return net::Level::kError;
  return net::Level::kInfo;
}

int complain(const Error& error, int code) {
  fmt::print(stderr, "tidegate engine: error: {}\n", error.message);
  return code;
}

}  // namespace

int engine(const EngineOptions& flags) {
  net::configure_log(level_of(flags.log_level),
                     flags.log_format == "json" ? net::LogFormat::kJson : net::LogFormat::kText);
  auto options = emulator_options(flags);
  if (!options) return complain(options.error(), kUsage);
  net::log(net::Level::kInfo, "emulated engine", {{"seed", std::to_string(options->seed)}});
  raise_file_limit();
  auto loop = net::Loop::create();
  if (!loop) return complain(loop.error(), 1);
  int code = 0;
  live::Emulator emulator(**loop, std::move(*options), [&](int exit_code) {
    // A crash runs no destructor.
    if (exit_code == live::Emulator::kCrashCode) std::_Exit(exit_code);
    code = exit_code;
    (*loop)->stop();
  });
  bool told = false;
  auto signals = net::Signals::create(**loop, [&](int) {
    if (told) return (*loop)->stop();  // the second one: at once
    told = true;
    emulator.shutdown();
  });
  if (!signals) return complain(signals.error(), 1);
  if (auto started = emulator.start(); !started) return complain(started.error(), 1);
  (*loop)->run();
  return code;
}

}  // namespace tidegate::cli
