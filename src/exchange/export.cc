#include "exchange/export.h"

#include <fmt/format.h>

#include <utility>

#include "core/spec/options.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {
namespace {

std::string slo_text(const spec::Slo& slo) {
  std::string out;
  auto add = [&](std::string_view name, const std::optional<spec::LatencyBound>& bound) {
    if (!bound) return;
    out +=
        fmt::format("{}{} p{} {}", out.empty() ? "" : ", ", name,
                    spec::number_text(bound->percentile * 100), spec::duration_text(bound->bound));
  };
  add("TTFT", slo.ttft);
  add("ITL", slo.itl);
  add("E2E", slo.e2e);
  return out.empty() ? "none: every completed request counts as met" : out;
}

std::string outcome_rows(const std::vector<Outcome>& outcomes) {
  std::string out = fmt::format("  {:<30}{:>8}{:>10}{:>15}{:>6}{:>8}{:>10}", "policy", "met",
                                "cost $", "replica-hours", "peak", "starts", "TTFT p99");
  for (const Outcome& o : outcomes) {
    out += fmt::format("\n  {:<30}{:>7.2f}%{:>10.2f}{:>15.2f}{:>6}{:>8}{:>8.2f} s", o.policy,
                       o.attainment * 100, o.cost_dollars, o.replica_hours, o.replicas_peak,
                       o.cold_starts, o.ttft_p99_seconds);
  }
  return out;
}

}  // namespace

Result<std::vector<File>> file_of_variants(const Export& what, std::string_view suffix,
                                           std::string head,
                                           Result<Yaml> (*object)(const Export&,
                                                                  const spec::Variant&)) {
  std::string_view between;
  for (const spec::Variant& variant : what.law.model.variants) {
    auto one = object(what, variant);
    if (!one) return fail(one.error());
    head.append(std::exchange(between, "---\n")).append(to_yaml(*one));
  }
  return std::vector<File>{{what.model.name + std::string(suffix), std::move(head)}};
}

std::string head_comment(const Export& what, std::string_view title) {
  std::string text =
      fmt::format("{} for model {}, made by `tidegate export {}{}`.", title, what.model.name,
                  token(what.options.kind), what.options.follow ? " --follow" : "");
  const Simulated& s = what.simulated;
  if (!s.outcomes.empty()) {
    text += fmt::format(
        "\n\nWhat it would have met and cost, in simulation: {} requests of {}, seed {}.\n"
        "SLO: {}.\n{}",
        s.requests, s.trace, s.seed, slo_text(what.model.slo), outcome_rows(s.outcomes));
  }
  bool starts_safe = what.options.kind == ExportKind::kKeda ||
                     what.options.kind == ExportKind::kAsg ||
                     (what.options.kind == ExportKind::kHpa && !what.options.follow);
  if (!s.outcomes.empty() && starts_safe && !what.options.active) {
    text += "\nThat is without the safe start, which holds until you take it away below.";
  }
  for (const std::string& note : what.law.notes) text += "\n\n" + note;
  // Long notes are broken into lines of at most a hundred characters.
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    while (line.size() > 98 && line.find(' ', 2) < 98 && !line.starts_with("  ")) {
      std::size_t cut = line.rfind(' ', 98);
      out += comment_lines(line.substr(0, cut));
      line = line.substr(cut + 1);
    }
    out += comment_lines(line);
    at = end + 1;
  }
  return out;
}

Result<std::vector<File>> export_files(const Export& what) {
  switch (what.options.kind) {
    case ExportKind::kKeda:
      return export_keda(what);
    case ExportKind::kHpa:
      return export_hpa(what);
    case ExportKind::kPrometheusAdapter:
      return export_adapter(what);
    case ExportKind::kAsg:
      return export_asg(what);
    case ExportKind::kKustomize:
      return export_kustomize(what);
    case ExportKind::kGrafana:
      return std::vector<File>{grafana_file()};
    case ExportKind::kRules:
      return std::vector<File>{rules_file()};
    case ExportKind::kPrometheusRule:
      return std::vector<File>{prometheus_rule_file()};
  }
  return fail("no such kind");
}

}  // namespace tidegate::exchange
