#include "live/emulator/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"
#include "format/spec_yaml.h"

namespace tidegate::live {
namespace {

template <class Number>
Result<void> read_number(const char* name, std::string_view text, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return fail(fmt::format("{}: \"{}\" is not a number", name, text));
}

/// As vLLM reads its switches: 1 or true, in any case.
bool is_on(std::string_view text) {
  return text == "1" || ascii::equal_ignoring_case(text, "true");
}

}  // namespace

Result<void> apply_profile(EmulatorOptions& options, const std::string& name) {
  auto profile = format::load_profile(name, format::profile_directories());
  if (!profile) return fail(profile.error());
  options.profile = *profile;
  return {};
}

Result<void> apply_environment(EmulatorOptions& options, const EnvironmentLookup& lookup) {
  auto get = [&](const char* name) {
    const char* text = lookup(name);
    return std::string(text == nullptr ? "" : text);
  };
  if (std::string model = get("TIDEGATE_ENGINE_MODEL"); !model.empty()) {
    options.served_names = {model};
  }
  if (std::string name = get("TIDEGATE_ENGINE_PROFILE"); !name.empty()) {
    if (auto ok = apply_profile(options, name); !ok) {
      return fail(ok.error().within("TIDEGATE_ENGINE_PROFILE"));
    }
  }
  if (std::string text = get("TIDEGATE_ENGINE_COLD_START"); !text.empty()) {
    auto cold = parse_cold_start(text);
    if (!cold) return fail(cold.error().within("TIDEGATE_ENGINE_COLD_START"));
    options.cold_start = *cold;
  }
  if (std::string text = get("TIDEGATE_ENGINE_MAX_NUM_SEQS"); !text.empty()) {
    std::int64_t n = 0;
    if (auto ok = read_number("TIDEGATE_ENGINE_MAX_NUM_SEQS", text, n); !ok) return ok;
    options.max_num_seqs = n;
  }
  if (std::string text = get("TIDEGATE_ENGINE_TIME_SCALE"); !text.empty()) {
    auto ok = read_number("TIDEGATE_ENGINE_TIME_SCALE", text, options.time_scale);
    if (!ok) return ok;
  }
  if (std::string text = get("TIDEGATE_ENGINE_SEED"); !text.empty()) {
    if (auto ok = read_number("TIDEGATE_ENGINE_SEED", text, options.seed); !ok) return ok;
  }
  if (is_on(get("TIDEGATE_ENGINE_SLEEP_MODE"))) options.enable_sleep_mode = true;
  options.dev_mode = is_on(get("VLLM_SERVER_DEV_MODE"));
  options.runtime_lora = is_on(get("VLLM_ALLOW_RUNTIME_LORA_UPDATING"));
  return {};
}

}  // namespace tidegate::live
