#pragma once
// Exposition writer: metric families as Prometheus text 0.0.4, as the Python client lays them out.
//
//   std::string page;
//   ExpositionWriter w(page);
//   w.family("tidegate_queue_requests", MetricType::kGauge, "Requests waiting at the gateway.");
//   w.sample("tidegate_queue_requests", {{"model", "m"}}, 12);
//
// Appends to the caller's string; labels are sorted by name, values and help escaped, numbers are
// the shortest that read back the same (`8.0`, `1.5e+09`, `+Inf`, `NaN`). The caller keeps one
// family in one piece. Thread-safety: one owner. Source: prometheus.io "Exposition formats";
// prometheus_client exposition.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::format {

inline constexpr std::string_view kExpositionContentType =
    "text/plain; version=0.0.4; charset=utf-8";

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram, kUntyped };

/// Names and values of one sample; the views must live until the call returns.
using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class ExpositionWriter {
 public:
  explicit ExpositionWriter(std::string& out) : out_(out) {}
  /// HELP and TYPE lines.
  void family(std::string_view name, MetricType type, std::string_view help);
  void sample(std::string_view name, Labels labels, double value);
  /// _bucket lines with `le` (cumulative), _count and _sum. `counts` are per bucket, not
  /// cumulative, one more than `bounds`: the last is what exceeds them all.
  void histogram(std::string_view name, Labels labels, std::span<const double> bounds,
                 std::span<const std::int64_t> counts, double sum);

 private:
  std::string& out_;
};

/// A number as the Python client writes it.
std::string exposition_number(double value);

}  // namespace tidegate::format
