#pragma once
// The dashboard: one HTML page, no build step, nothing from outside. It polls /api/v1/status.

#include <string_view>

namespace tidegate::live {

std::string_view dashboard_html();

}  // namespace tidegate::live
