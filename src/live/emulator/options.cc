#include "live/emulator/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/spec/expected_start.h"
#include "format/spec_yaml.h"

namespace tidegate::live {
namespace {

template <class Number>
Result<Number> parse_number(std::string_view text, std::string_view what, Number least) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least)) {
    return fail(fmt::format("{}: \"{}\" is not a number of {} or more", what, text, least));
  }
  return value;
}

Result<spec::Spread> parse_spread(std::string_view text) {
  std::size_t slash = text.find('/');
  auto p50 = format::parse_duration(text.substr(0, slash));
  if (!p50) return fail(p50.error());
  if (slash == text.npos) return spec::Spread{*p50, *p50, {}};
  auto p90 = format::parse_duration(text.substr(slash + 1));
  if (!p90) return fail(p90.error());
  if (*p50 <= Duration(0) || *p90 < *p50) {
    return fail(fmt::format("\"{}\": p50/p90 needs 0 < p50 <= p90", text));
  }
  return spec::Spread{*p50, *p90, {}};
}

std::string format_spread(const spec::Spread& spread) {
  std::string text = format::format_duration(spread.p50);
  if (spread.p90 != spread.p50) text += "/" + format::format_duration(spread.p90);
  return text;
}

/// Samples have no short text; their median and 90th percentile stand for them.
spec::Spread without_samples(const spec::Spread& spread) {
  if (spread.samples.empty()) return spread;
  std::vector<Duration> sorted = spread.samples;
  std::sort(sorted.begin(), sorted.end());
  auto at = [&](std::size_t percent) { return sorted[(sorted.size() - 1) * percent / 100]; };
  return {at(50), at(90), {}};
}

}  // namespace

Result<void> add_fault(Faults& faults, std::string_view text) {
  std::size_t equals = text.find('=');
  std::string_view name = text.substr(0, equals);
  std::string_view value = equals == text.npos ? std::string_view() : text.substr(equals + 1);
  if (name == "crash-after" || name == "hang-after") {
    auto n = parse_number<std::int64_t>(value, text, 0);
    if (!n) return fail(n.error());
    (name == "crash-after" ? faults.crash_after : faults.hang_after) = *n;
    return {};
  }
  if (name == "slow") {
    auto factor = parse_number<double>(value, text, 1);
    if (!factor) return fail(factor.error());
    faults.slow = *factor;
    return {};
  }
  if (name == "lying-metrics") {
    if (value == "zero") return faults.lying_metrics = LyingMetrics::kZero, Result<void>();
    if (value == "garbage") return faults.lying_metrics = LyingMetrics::kGarbage, Result<void>();
    if (value == "frozen") return faults.lying_metrics = LyingMetrics::kFrozen, Result<void>();
    return fail(fmt::format("lying-metrics: \"{}\" is none of zero, garbage, frozen", value));
  }
  if (text == "refuse-health") return faults.refuse_health = true, Result<void>();
  if (text == "exit-at-start") return faults.exit_at_start = true, Result<void>();
  return fail(
      fmt::format("unknown fault \"{}\": there are crash-after=N, hang-after=N, slow=FACTOR, "
                  "lying-metrics=zero|garbage|frozen, refuse-health and exit-at-start",
                  text));
}

Result<spec::ColdStart> parse_cold_start(std::string_view text) {
  spec::ColdStart cold;
  if (text.find('=') == text.npos) {
    auto whole = parse_spread(text);
    if (!whole) return fail(whole.error().within("cold start"));
    cold.engine = *whole;
    return cold;
  }
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    std::size_t equals = item.find('=');
    std::string_view name = item.substr(0, equals);
    if (equals == item.npos) {
      return fail(fmt::format("cold start: \"{}\" is not STAGE=TIME or STAGE=P50/P90", item));
    }
    auto spread = parse_spread(item.substr(equals + 1));
    if (!spread) return fail(spread.error().within(name).within("cold start"));
    if (name == "procurement") {
      cold.procurement = *spread;
    } else if (name == "image") {
      cold.image = *spread;
    } else if (name == "weights") {
      cold.weights.time = *spread;
    } else if (name == "engine") {
      cold.engine = *spread;
    } else if (name == "wake1") {
      cold.wake_level1 = *spread;
    } else if (name == "wake2") {
      cold.wake_level2 = *spread;
    } else {
      return fail(fmt::format(
          "cold start: unknown stage \"{}\": there are procurement, image, weights, engine, wake1, "
          "wake2",
          name));
    }
  }
  return cold;
}

std::string format_cold_start(const spec::ColdStart& cold) {
  std::string out;
  auto stage = [&](std::string_view name, const spec::Spread& given) {
    spec::Spread spread = without_samples(given);
    if (spread.p50 == Duration(0) && spread.p90 == Duration(0)) return;
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", name, format_spread(spread));
  };
  stage("procurement", cold.procurement);
  stage("image", cold.image);
  if (cold.weights.time) {
    stage("weights", *cold.weights.time);
  } else if (cold.weights.bytes > 0 && cold.weights.from != spec::WeightSource::kImage) {
    std::int64_t rate = cold.weights.bandwidth_bytes_per_second.value_or(
        spec::default_bandwidth(cold.weights.from));
    Duration time = seconds_f(static_cast<double>(cold.weights.bytes) / static_cast<double>(rate));
    stage("weights", {time, time, {}});
  }
  stage("engine", cold.engine);
  if (cold.wake_level1) stage("wake1", *cold.wake_level1);
  if (cold.wake_level2) stage("wake2", *cold.wake_level2);
  return out.empty() ? "0s" : out;
}

Result<void> EmulatorOptions::check() const {
  auto positive = [](std::int64_t value, std::string_view what) -> Result<void> {
    if (value < 1) return fail(fmt::format("{} must be at least 1, got {}", what, value));
    return {};
  };
  if (served_names.empty()) return fail("an engine needs at least one served name");
  for (auto [value, what] : {std::pair{max_num_seqs, "--max-num-seqs"},
                             std::pair{max_num_batched_tokens, "--max-num-batched-tokens"},
                             std::pair{max_model_len, "--max-model-len"},
                             std::pair{max_num_queued_reqs, "--max-num-queued-reqs"}}) {
    if (auto ok = positive(value.value_or(1), what); !ok) return ok;
  }
  if (auto ok = positive(data_parallel_size, "--data-parallel-size"); !ok) return ok;
  if (auto ok = positive(max_loras, "--max-loras"); !ok) return ok;
  std::int64_t length = max_model_len.value_or(profile.max_model_len);
  if (length > profile.max_model_len) {
    return fail(fmt::format("--max-model-len {} is more than the {} of profile {}", length,
                            profile.max_model_len, profile.name));
  }
  if (length > profile.kv_tokens) {
    return fail(
        fmt::format("a context of {} tokens does not fit the {} KV tokens of profile {}: "
                    "lower --max-model-len",
                    length, profile.kv_tokens, profile.name));
  }
  if (!(time_scale > 0 && time_scale <= kMaxTimeScale)) {
    return fail(fmt::format("--time-scale must be over 0 and at most {}, got {}", kMaxTimeScale,
                            time_scale));
  }
  if (!lora_modules.empty() && !enable_lora) return fail("--lora-modules needs --enable-lora");
  if (lora_modules.size() > kMaxAdapters) {
    return fail(fmt::format("more than {} LoRA modules", kMaxAdapters));
  }
  return {};
}

}  // namespace tidegate::live
