#pragma once
// The HTML report: one file with everything in it, no network, light and dark, printable.
//
//   std::string page = report_html(info, results, runs);
//
// `results` are the very objects `--format json` prints. Series have at most kReportBuckets points
// each and kReportPoints together (neighbours merge, least and most stay), numbers five digits: a
// page stays below 2 MB. All text goes through JSON and textContent, none becomes markup.
// Thread-safety: functions.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "sim/report/series_recorder.h"

namespace tidegate::sim {

/// Of all runs of a report together.
inline constexpr std::size_t kReportPoints = 6'000;

/// What was run, for people. Empty ones are left out.
struct RunInfo {
  std::string title;    ///< default: "Simulation"
  std::string program;  ///< "tidegate 0.1.0"
  std::string command;  ///< as typed
  std::string spec, trace;
  std::uint64_t seed = 1;
};

/// One policy on one model.
struct ReportRun {
  std::string policy;
  const SeriesRecorder* seen = nullptr;
};

/// Text as HTML shows it, also within an attribute.
std::string html_text(std::string_view text);

nlohmann::ordered_json report_json(const RunInfo& info, const nlohmann::ordered_json& results,
                                   const std::vector<ReportRun>& runs);
std::string report_html(const RunInfo& info, const nlohmann::ordered_json& results,
                        const std::vector<ReportRun>& runs);

}  // namespace tidegate::sim
