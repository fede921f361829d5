#include "live/load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "format/quantiles.h"
#include "format/spec_yaml.h"

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;

double per_second(std::int64_t n, Duration over) {
  return over > Duration(0) ? static_cast<double>(n) / to_seconds(over) : 0;
}

std::string human(double value_seconds) {
  return value_seconds >= 1
             ? fmt::format("{:.2f} s", value_seconds)
             : fmt::format("{:.{}f} ms", value_seconds * 1e3, value_seconds < 0.1 ? 2 : 0);
}

std::string latency_row(std::string_view name, const workload::Sketch& sketch,
                        const std::optional<spec::LatencyBound>& bound) {
  std::string out = fmt::format("{:<5}", name);
  for (auto [label, q] : {std::pair{"p50", 0.50}, std::pair{"p95", 0.95}, std::pair{"p99", 0.99}}) {
    out += fmt::format(" {} {:>10} ", label, sketch.count() > 0 ? human(sketch.quantile(q)) : "-");
  }
  if (bound) {
    out += fmt::format("   bound p{:g} {}", bound->percentile * 100,
                       format::format_duration(bound->bound));
  }
  return out + "\n";
}

}  // namespace

nlohmann::ordered_json to_json(const LoadResult& r) {
  Json errors = Json::object();
  for (const auto& [name, count] : r.errors) errors[name] = count;
  const auto& s = r.score;
  return {{"requests", s.requests},
          {"completed", s.completed},
          {"rejected", s.rejected},
          {"timedOut", s.timed_out},
          {"lost", s.lost},
          {"errors", errors},
          {"ttft", format::quantiles_json(s.ttft)},
          {"itl", format::quantiles_json(s.itl)},
          {"e2e", format::quantiles_json(s.e2e)},
          {"sloAttainment", s.attainment()},
          {"timeScale", r.time_scale},
          {"outputTokens", r.output_tokens},
          {"openPeak", r.open_peak},
          {"lateness", format::quantiles_json(r.lateness)},
          {"worldSeconds", to_seconds(r.world)},
          {"wallSeconds", to_seconds(r.wall)},
          {"requestsPerSecond", per_second(s.requests, r.wall)},
          {"interrupted", r.interrupted},
          {"unfinished", r.open}};
}

std::string to_table(const LoadResult& r, const spec::Slo& slo) {
  const auto& s = r.score;
  std::string out = fmt::format(
      "{} requests in {:.1f} s ({:.2f}/s{}): {} completed, {} rejected, {} timed out, {} lost\n",
      s.requests, to_seconds(r.world), per_second(s.requests, r.world),
      r.time_scale == 1 ? "" : fmt::format(", time scale {:g}", r.time_scale), s.completed,
      s.rejected, s.timed_out, s.lost);
  if (r.interrupted)
    out += fmt::format("interrupted: {} were still open and are not counted\n", r.open);
  if (!r.errors.empty()) {
    out += "errors:";
    for (const auto& [name, count] : r.errors) out += fmt::format(" {} {}", name, count);
    out += "\n";
  }
  out += latency_row("TTFT", s.ttft, slo.ttft) + latency_row("ITL", s.itl, slo.itl) +
         latency_row("E2E", s.e2e, slo.e2e);
  if (slo.ttft || slo.itl || slo.e2e) {
    out += fmt::format("SLO attainment {:.3f} % of all requests\n", s.attainment() * 100);
  }
  out += fmt::format("{} output tokens ({:.0f}/s), at most {} requests open at once\n",
                     r.output_tokens, per_second(r.output_tokens, r.world), r.open_peak);
  // The generator's own fault is worth a word only where it could colour the figures.
  if (double late = r.lateness.quantile(0.99); late > 0.1 * r.time_scale) {
    out += fmt::format(
        "warning: requests left late (p99 {:.3f} s): this generator, or its machine, "
        "could not keep up\n",
        late);
  }
  if (auto it = r.errors.find("tooManyOpen"); it != r.errors.end()) {
    out += fmt::format("warning: {} requests were not sent: {} were open already\n", it->second,
                       r.open_peak);
  }
  return out;
}

std::string progress_line(const LoadResult& r, double progress) {
  constexpr int kWidth = 20;
  progress = std::clamp(progress, 0.0, 1.0);
  auto filled = static_cast<std::size_t>(progress * kWidth);
  std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  const auto& s = r.score;
  std::string out = fmt::format("{:3.0f}% [{}] {} sent, {} open, {} completed", progress * 100, bar,
                                r.sent, r.open, s.completed);
  for (auto [count, name] : {std::pair{s.rejected, "rejected"}, std::pair{s.timed_out, "timed out"},
                             std::pair{s.lost, "lost"}}) {
    if (count > 0) out += fmt::format(", {} {}", count, name);
  }
  if (s.completed > 0) out += fmt::format(", TTFT p50 {:.2f} s", s.ttft.quantile(0.5));
  if (progress > 0.005 && progress < 1) {
    auto left = std::llround(to_seconds(r.wall) * (1 - progress) / progress);
    out += ", ETA " + format::format_duration(seconds(std::max<std::int64_t>(left, 1)));
  }
  return out;
}

}  // namespace tidegate::live
