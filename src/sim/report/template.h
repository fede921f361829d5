#pragma once
// The report's page as it was at build time: report.html with report.css, charts.js and report.js
// put in. `{{TITLE}}` and `{{DATA}}` stand in it once each (sim/report/html.h fills them).

#include <string_view>

namespace tidegate::sim {

std::string_view report_template();

}  // namespace tidegate::sim
