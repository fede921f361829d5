#include "live/external_metrics/samples.h"

#include <algorithm>
#include <cmath>

#include "core/base/ascii.h"

namespace tidegate::live::external_metrics {
namespace {

constexpr std::size_t kMaxLabelValue = 63;
constexpr double kMaxQuantity = 1e15;  ///< in thousandths still far inside an int64

}  // namespace

bool is_metric(std::string_view name) {
  return std::find(kMetrics.begin(), kMetrics.end(), name) != kMetrics.end();
}

std::string label_value(std::string_view text) {
  std::string out;
  for (char c : text) {
    const bool allowed = ascii::is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
    if (out.empty() && !ascii::is_alphanumeric(c)) continue;
    out.push_back(allowed ? c : '_');
    if (out.size() == kMaxLabelValue) break;
  }
  while (!out.empty() && !ascii::is_alphanumeric(out.back())) out.pop_back();
  return out;
}

std::optional<std::string> quantity(double value) {
  if (!(value >= 0 && value <= kMaxQuantity)) return std::nullopt;
  const auto thousandths = static_cast<std::int64_t>(std::floor(value * 1000 + 0.5));
  if (thousandths % 1000 == 0) return std::to_string(thousandths / 1000);
  return std::to_string(thousandths) + "m";
}

}  // namespace tidegate::live::external_metrics
