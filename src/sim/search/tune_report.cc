#include "sim/search/tune_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/spec/options.h"

namespace tidegate::sim {
namespace {

using Json = nlohmann::ordered_json;

const std::string kUntuned = " (untuned)";

Json part_json(const Outcome& o) {
  return {{"requests", o.requests},
          {"sloAttainment", o.attainment()},
          {"ttft", {{"p99", o.ttft_p99_seconds}}},
          {"gpuHours", o.gpu_hours},
          {"replicaHours", o.replica_hours},
          {"cost", o.cost_dollars},
          {"replicasPeak", o.replicas_peak}};
}

Json setting_json(const Setting& setting) {
  return {{"train", part_json(setting.train)}, {"test", part_json(setting.test)}};
}

std::string row(std::string_view name, std::size_t width, const Setting& setting,
                std::string_view note) {
  auto part = [](const Outcome& o) {
    return fmt::format("{:>9.2f}%{:>10.2f}{:>10.2f}", o.attainment() * 100, o.gpu_hours,
                       o.cost_dollars);
  };
  return fmt::format("{:<{}}{} {}{}{}\n", name, width, part(setting.train), part(setting.test),
                     note.empty() ? "" : "  ", note);
}

std::string whole_seconds(Duration d) {
  return spec::duration_text(seconds(d.count() / 1'000'000'000));
}

}  // namespace

nlohmann::ordered_json to_json(const Tuned& t) {
  Json knobs = Json::object();
  for (std::size_t i = 0; i < t.knobs.size(); ++i) {
    knobs[std::string(t.knobs[i].name)] = t.knobs[i].values[t.point[i]];
  }
  return {{"policy", t.policy},
          {"reached", t.reached},
          {"tunedPolicy", t.text},
          {"knobs", std::move(knobs)},
          {"runs", t.runs},
          {"untuned", setting_json(t.untuned)},
          {"tuned", setting_json(t.tuned)},
          {"yaml", t.yaml}};
}

std::string to_table(const TuneResult& result, double attainment) {
  std::size_t width = 0;
  for (const Tuned& t : result.policies) {
    width = std::max({width, t.text.size(), (t.policy + kUntuned).size()});
  }
  std::string out = fmt::format(
      "tuned for {:g} % on the first {}, then played on the {} after it\n\n{:<{}}{:>30} {:>30}\n"
      "{:<{}}{:>10}{:>10}{:>10} {:>10}{:>10}{:>10}\n",
      attainment * 100, whole_seconds(result.train), whole_seconds(result.test), "", width, "train",
      "test", "", width, "met", "GPU-hours", "cost $", "met", "GPU-hours", "cost $");
  for (const Tuned& t : result.policies) {
    out += row(t.policy + kUntuned, width, t.untuned, "");
    out += row(t.text, width, t.tuned, t.reached ? "" : "does not reach it");
  }
  return out;
}

std::string to_yaml(const TuneResult& result, double attainment) {
  const Tuned& best = result.policies[result.best];
  return fmt::format(
      "# {}: {:.2f} % met on the training part{}, {:.2f} % on the rest; goes under spec:\n{}",
      best.policy, best.tuned.train.attainment() * 100,
      best.reached ? "" : fmt::format(" (does not reach {:g} %)", attainment * 100),
      best.tuned.test.attainment() * 100, best.yaml);
}

}  // namespace tidegate::sim
