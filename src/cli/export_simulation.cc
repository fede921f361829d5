#include "cli/export_simulation.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/sim_input.h"
#include "cli/spec_choice.h"
#include "core/workload/generator.h"
#include "format/spec_yaml.h"
#include "format/trace.h"
#include "live/net/clock.h"
#include "sim/compare/simulate.h"
#include "sim/sizing.h"

namespace tidegate::cli {
namespace {

constexpr Duration kDay = seconds(7'200);
constexpr std::int64_t kMostReplicas = 16;  // so that the made day plays in seconds
constexpr double kPeakShare = 0.6;
// Means of the usual lengths, log-normal with the medians of workload::kPromptTokens and kin.
constexpr engine::Lengths kMeanLengths{1'440, 290};

using Open = std::function<Result<std::unique_ptr<workload::Stream>>()>;
struct Traffic {
  std::string name;
  Open open;
  std::int64_t prefix_block_tokens = format::kTracePrefixBlockTokens;
};

Traffic made_day(const spec::Model& model, std::uint64_t seed) {
  double fleet = 0;
  std::int64_t left = kMostReplicas;
  for (const spec::Variant& v : model.variants) {
    std::int64_t n = std::min(left, v.max_replicas.value());
    fleet += static_cast<double>(n) * sim::sustained(model, v, kMeanLengths);
    left -= n;
  }
  double peak = std::max(0.1, std::round(fleet * kPeakShare * 10) / 10);
  workload::Workload day{.duration = kDay, .parts = {}, .priority_classes = {}};
  workload::Part cosine{.name = "day", .shape = {}};
  cosine.shape = workload::Diurnal{.low = peak / 5, .high = peak, .peak_at = kDay / 2, .day = kDay};
  workload::Part burst{.name = "burst", .shape = workload::Steady{peak / 2}};
  burst.from = seconds(4'800);
  burst.until = seconds(5'400);
  day.parts = {cosine, burst};
  return {fmt::format("a made day pressed into 2 h ({:.2f} to {:.1f} requests/s, {:.1f} more for "
                      "10 minutes; 1,440 prompt and 290 output tokens, mean)",
                      peak / 5, peak, peak / 2),
          [day, seed]() -> Result<std::unique_ptr<workload::Stream>> {
            return std::make_unique<workload::Generator>(day, seed);
          }};
}

Result<Traffic> from_trace(const std::string& path, const ExportFlags& flags) {
  format::TraceOptions options;
  options.seed = flags.seed;
  options.scale = flags.scale;
  std::string name = path;
  auto until = duration_flag("--until", flags.until, options.until);
  if (!until) return fail(until.error());
  if (!flags.until.empty()) name += " up to " + flags.until;
  if (flags.scale != 1) name += fmt::format(" at {:g} times its rate", flags.scale);
  return Traffic{name, [path, options] { return format::TraceReader::open(path, options); },
                 options.prefix_block_tokens};
}

Result<sim::Totals> play(const spec::Model& model, const std::string& policy,
                         const Traffic& traffic, std::uint64_t seed) {
  auto choice = format::parse_policy(policy);
  if (!choice) return fail(choice.error());
  std::vector<sim::PolicyAsked> asked = {{policy, *choice}};
  sim::SimulateOptions options{.models = {model},
                               .policies = asked,
                               .open = traffic.open,
                               .clock = [] { return net::WorldClock::mono_now(); },
                               .progress = sim_progress(asked),
                               .seed = seed,
                               .prefix_block_tokens = traffic.prefix_block_tokens};
  auto result = sim::simulate(options);
  if (options.progress) fmt::print(stderr, "\r\x1b[K");
  if (!result) return fail(result.error());
  return std::move(result->policies.front().totals);
}

exchange::Outcome row(std::string name, const sim::Totals& t) {
  return {.policy = std::move(name),
          .attainment = t.score.attainment(),
          .cost_dollars = t.cost_dollars,
          .replica_hours = t.replica_hours,
          .ttft_p99_seconds = t.score.ttft.quantile(0.99),
          .replicas_peak = t.replicas_peak,
          .cold_starts = t.cold_starts};
}

}  // namespace

Result<exchange::Simulated> simulate_export(const spec::Model& model, const exchange::Law& law,
                                            const ExportFlags& flags) {
  exchange::Simulated out;
  out.seed = flags.seed;
  std::vector<Traffic> all;
  for (const std::string& path : flags.traces) {
    auto traffic = from_trace(path, flags);
    if (!traffic) return fail(traffic.error());
    all.push_back(std::move(*traffic));
  }
  if (all.empty() && (!flags.until.empty() || flags.scale != 1)) {
    return fail("--until and --scale are for --trace; the made day fits itself to the fleet");
  }
  if (all.empty()) all.push_back(made_day(model, flags.seed));
  for (const Traffic& traffic : all) {
    out.trace += (out.trace.empty() ? "" : ", ") + traffic.name;
    std::string where = all.size() > 1 ? ", " + traffic.name : "";
    auto exported = play(law.model, law.policy, traffic, flags.seed);
    if (!exported) return fail(exported.error());
    out.requests += exported->score.requests;
    out.outcomes.push_back(row(law.label + where, *exported));
    std::string own = sim::policy_of(model).text;
    if (flags.kind == "asg" && own != "tide") {
      auto followed = play(model, own, traffic, flags.seed);
      if (!followed) return fail(followed.error());
      out.outcomes.push_back(row(fmt::format("{}, which it follows{}", own, where), *followed));
    }
    if (law.policy == "tide") continue;
    auto tide = play(model, "tide", traffic, flags.seed);
    if (!tide) return fail(tide.error());
    out.outcomes.push_back(row("tide, for comparison" + where, *tide));
  }
  return out;
}

}  // namespace tidegate::cli
