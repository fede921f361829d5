// Fuzz of what a Prometheus answers, of a query's selectors and of DCGM pages: any bytes (the first
// byte chooses). Aborts where a promise breaks: labels and series keep their bounds, selectors are
// pieces of the query, devices have a name.
//
//   promql_fuzz -max_len=4096 corpus/

#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "format/dcgm.h"
#include "format/promql.h"

namespace {

using namespace tidegate;

void answer(std::string_view text) {
  auto parsed = format::PromqlAnswer::parse(text);
  if (!parsed) {
    TIDEGATE_CHECK(!parsed.error().message.empty());
    return;
  }
  TIDEGATE_CHECK(parsed->warnings().size() <= format::PromqlAnswer::kMaxWarnings);
  format::SampleLine line;
  for (std::size_t i = 0; i < parsed->size(); ++i) {
    if (!parsed->read(i, line)) continue;
    TIDEGATE_CHECK(line.timestamp.has_value());
    TIDEGATE_CHECK(line.label_count <= format::SampleLine::kMaxLabels);
  }
}

void selectors(std::string_view query) {
  const auto found = format::promql_selectors(query);
  TIDEGATE_CHECK(found.size() <= format::kMaxSelectors);
  for (const std::string& selector : found) {
    TIDEGATE_CHECK(!selector.empty() && query.find(selector) != std::string_view::npos);
  }
}

void gpus(std::string_view page) {
  const auto found = format::read_dcgm(page, format::TextFormat::kPrometheus);
  TIDEGATE_CHECK(found.size() <= format::kMaxGpus);
  for (const signal::GpuReading& gpu : found) {
    TIDEGATE_CHECK(!signal::gpu_id(gpu).empty());
    TIDEGATE_CHECK(!gpu.used_bytes || std::isfinite(*gpu.used_bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) answer(text);
  if (data[0] % 3 == 1) selectors(text);
  if (data[0] % 3 == 2) gpus(text);
  return 0;
}
