#include "sim/search/tune_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tidegate::sim {

TuneLog::TuneLog(std::uint64_t inputs) : inputs_(fmt::format("{:016x}", inputs)) {}

void TuneLog::read(std::string_view text) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) read_line(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

void TuneLog::read_line(std::string_view line) {
  ++lines_;
  try {
    auto json = nlohmann::json::parse(line);
    if (json.at("inputs").get<std::string>() != inputs_) return;
    Outcome o{.requests = json.at("requests").get<std::int64_t>(),
              .met = json.at("met").get<std::int64_t>(),
              .gpu_hours = json.at("gpuHours").get<double>(),
              .replica_hours = json.at("replicaHours").get<double>(),
              .cost_dollars = json.at("cost").get<double>(),
              .ttft_p99_seconds = json.at("ttftP99Seconds").get<double>(),
              .replicas_peak = json.at("replicasPeak").get<std::int64_t>()};
    runs_[json.at("run").get<std::string>()] = o;
  } catch (const nlohmann::json::exception&) {
    ++unreadable_;
  }
}

std::optional<Outcome> TuneLog::find(const std::string& run) const {
  auto found = runs_.find(run);
  return found == runs_.end() ? std::nullopt : std::optional(found->second);
}

std::string TuneLog::add(const std::string& run, const Outcome& o) {
  runs_[run] = o;
  nlohmann::ordered_json line = {{"inputs", inputs_},
                                 {"run", run},
                                 {"requests", o.requests},
                                 {"met", o.met},
                                 {"gpuHours", o.gpu_hours},
                                 {"replicaHours", o.replica_hours},
                                 {"cost", o.cost_dollars},
                                 {"ttftP99Seconds", o.ttft_p99_seconds},
                                 {"replicasPeak", o.replicas_peak}};
  return line.dump() + "\n";
}

}  // namespace tidegate::sim
