#include "cli/size_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <tuple>
#include <utility>

#include "cli/spec_choice.h"
#include "core/spec/validate.h"
#include "format/spec_yaml.h"
#include "format/trace.h"

namespace tidegate::cli {
namespace {

constexpr std::int64_t kMostSeqs = 1'000'000;
constexpr double kMost = 1e15;  ///< of any number here: what comes out still counts whole replicas

/// What is wrong with the numbers, each by itself.
std::string out_of_range(const SizeFlags& f) {
  for (const auto& [name, value] : {std::pair("--qps", f.qps),
                                    {"--kv-tokens", f.kv_tokens},
                                    {"--prompt", f.prompt},
                                    {"--output", f.output},
                                    {"--cost-per-hour", f.cost_per_hour}}) {
    if (value && !(*value > 0 && *value <= kMost)) {
      return fmt::format("{} is {}; it must be above 0 and at most {:g}", name, *value, kMost);
    }
  }
  for (const auto& [name, value] :
       {std::pair("--price-per-mtok-in", f.price_in), {"--price-per-mtok-out", f.price_out}}) {
    if (value && !(*value >= 0 && *value <= kMost)) {
      return fmt::format("{} is {}; it must be from 0 to {:g}", name, *value, kMost);
    }
  }
  if ((f.price_in || f.price_out) && f.price_in.value_or(0) + f.price_out.value_or(0) <= 0) {
    return "both prices by the token are 0; there is nothing to compare with";
  }
  if (f.target_utilization && !(*f.target_utilization > 0 && *f.target_utilization <= 1)) {
    return fmt::format("--target-utilization is {}; it must be in (0, 1]", *f.target_utilization);
  }
  if (f.max_num_seqs && (*f.max_num_seqs < 1 || *f.max_num_seqs > kMostSeqs)) {
    return fmt::format("--max-num-seqs is {}; it must be from 1 to {}", *f.max_num_seqs, kMostSeqs);
  }
  return {};
}

Result<double> seconds_of(std::string_view name, const std::string& text) {
  auto parsed = format::parse_duration(text);
  if (!parsed) return fail(parsed.error().within(name));
  if (*parsed <= Duration(0)) return fail(fmt::format("{}: \"{}\" must be above 0", name, text));
  return to_seconds(*parsed);
}

Result<engine::Profile> profile_of(const std::string& name) {
  return format::load_profile(name, format::profile_directories());
}

Result<SizeCase> case_of(const spec::Model& model, const spec::Variant& variant) {
  auto profile = profile_of(variant.engine.profile);
  if (!profile) return fail(profile.error().within("variant " + variant.name));
  SizeCase c;
  c.name = model.name + "/" + variant.name;
  c.profile = std::move(*profile);
  const spec::Engine& e = variant.engine;
  c.ask.max_num_seqs = e.max_num_seqs.value_or(c.profile.max_num_seqs);
  const std::int64_t ranks = std::max<std::int64_t>(1, e.data_parallel_size);
  if (auto target = model.scaling.concurrency_target) {
    c.ask.max_num_seqs = std::min(c.ask.max_num_seqs, (*target + ranks - 1) / ranks);
  }
  c.ask.max_num_batched_tokens =
      e.max_num_batched_tokens.value_or(c.profile.max_num_batched_tokens);
  c.ask.data_parallel_size = ranks;
  c.ask.step_factor = variant.hardware.interference;
  c.ask.target_utilization = model.scaling.target_utilization;
  if (const auto& itl = model.slo.itl) {
    c.ask.itl_seconds = to_seconds(itl->bound);
    c.itl_percentile = itl->percentile;
  }
  if (const auto& ttft = model.slo.ttft) {
    c.ask.ttft_seconds = to_seconds(ttft->bound);
    c.ask.ttft_percentile = ttft->percentile;
  }
  c.zero.cold_start_seconds = to_seconds(spec::cold_start_p90(variant.cold_start));
  c.zero.max_wait_seconds = to_seconds(model.queue.max_wait);
  c.zero.scale_down_delay_seconds = to_seconds(spec::scale_down_delay(model.scaling));
  c.knows_zero = c.zero.cold_start_seconds > 0;
  c.cost_per_hour = variant.cost_per_hour_dollars;
  c.max_replicas = variant.max_replicas.value();
  c.has_e2e = model.slo.e2e.has_value();
  return c;
}

Result<std::vector<SizeCase>> cases_of_spec(const SizeFlags& flags) {
  auto file = spec_of(flags.spec);
  if (!file) return fail(file.error());
  auto found = one_of(*file, flags.spec, flags.model);
  if (!found) return fail(found.error());
  const spec::Model& model = (*found)->model;
  std::vector<SizeCase> out;
  for (const spec::Variant& variant : model.variants) {
    auto c = case_of(model, variant);
    if (!c) return fail(c.error());
    out.push_back(std::move(*c));
  }
  return out;
}

}  // namespace

std::string size_nonsense(const SizeFlags& f) {
  const bool little = !f.latency.empty();
  const bool slo = !f.spec.empty() || !f.profile.empty();
  const bool means = f.prompt || f.output;
  const bool shaped = means || !f.lengths.empty();
  for (const auto& [wrong, message] : {
           std::pair(!f.qps, "no --qps; say how many requests arrive a second"),
           {!little && !slo,
            "say --latency DURATION (Little's Law alone), or -f SPEC or --profile NAME (within the "
            "SLO)"},
           {little && slo,
            "--latency is Little's Law alone; it goes with neither -f nor --profile"},
           {!f.spec.empty() && !f.profile.empty(), "-f and --profile contradict; give one"},
           {!f.model.empty() && f.spec.empty(), "--model chooses from a spec; give -f too"},
           {means && !f.lengths.empty(), "--lengths and --prompt/--output contradict; give one"},
           {means && !(f.prompt && f.output), "--prompt and --output go together"},
           {slo && !shaped, "no lengths; give --prompt N --output N, or --lengths TRACE"},
           {f.kv_tokens && slo, "--kv-tokens goes with --latency; a profile knows its own"},
           {little && !f.max_num_seqs,
            "--latency needs --max-num-seqs: how many requests a replica runs at once"},
           {f.kv_tokens && !shaped, "--kv-tokens needs --prompt and --output, or --lengths"},
           {little && shaped && !f.kv_tokens, "with --latency lengths need --kv-tokens"},
           {little && !(f.slo_ttft + f.slo_itl).empty(),
            "--slo-ttft and --slo-itl need -f or --profile"},
           {little && (f.price_in || f.price_out), "a price by the token needs -f or --profile"},
       }) {
    if (wrong) return message;
  }
  return out_of_range(f);
}

Result<double> size_latency(const SizeFlags& flags) {
  return seconds_of("--latency", flags.latency);
}

Result<engine::LengthMix> size_lengths(const SizeFlags& flags) {
  std::vector<engine::Lengths> samples;
  if (flags.lengths.empty()) {
    samples.push_back({flags.prompt.value_or(1), flags.output.value_or(1)});
    return engine::LengthMix::of(std::move(samples));
  }
  auto trace = format::TraceReader::open(flags.lengths, {});
  if (!trace) return fail(trace.error().within("--lengths"));
  if ((*trace)->kind() == format::TraceKind::kRate) {
    return fail(
        fmt::format("--lengths: {} is a rate series and has no lengths; give a trace of "
                    "requests",
                    flags.lengths));
  }
  for (workload::TraceRequest r; samples.size() < format::kMaxLengthRows && (*trace)->next(r);) {
    samples.push_back(
        {static_cast<double>(r.prompt.value()), static_cast<double>(r.output.value())});
  }
  if (auto notes = (*trace)->notes().text(); !notes.empty()) {
    fmt::print(stderr, "tidegate: warning: {}: {}\n", flags.lengths, notes);
  }
  if (samples.empty()) return fail(fmt::format("--lengths: {} has no requests", flags.lengths));
  return engine::LengthMix::of(std::move(samples));
}

Result<std::vector<SizeCase>> size_cases(const SizeFlags& flags) {
  std::vector<SizeCase> out;
  if (flags.spec.empty()) {
    auto profile = profile_of(flags.profile);
    if (!profile) return fail(profile.error().within("--profile"));
    SizeCase c;
    c.name = profile->name;
    c.ask.max_num_seqs = profile->max_num_seqs;
    c.ask.max_num_batched_tokens = profile->max_num_batched_tokens;
    c.profile = std::move(*profile);
    out.push_back(std::move(c));
  } else {
    auto found = cases_of_spec(flags);
    if (!found) return found;
    out = std::move(*found);
  }
  for (SizeCase& c : out) {
    c.ask.requests_per_second = *flags.qps;
    c.ask.max_num_seqs = flags.max_num_seqs.value_or(c.ask.max_num_seqs);
    c.ask.target_utilization = flags.target_utilization.value_or(c.ask.target_utilization);
    c.cost_per_hour = flags.cost_per_hour.value_or(c.cost_per_hour);
    for (auto [name, text, seconds] :
         {std::tuple("--slo-ttft", &flags.slo_ttft, &c.ask.ttft_seconds),
          {"--slo-itl", &flags.slo_itl, &c.ask.itl_seconds}}) {
      if (text->empty()) continue;
      auto parsed = seconds_of(name, *text);
      if (!parsed) return fail(parsed.error());
      *seconds = *parsed;
    }
    c.zero.ttft_seconds = c.ask.ttft_seconds;
    c.zero.ttft_percentile = c.ask.ttft_percentile;
  }
  return out;
}

}  // namespace tidegate::cli
