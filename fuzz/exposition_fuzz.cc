// Fuzz of the exposition parser: any bytes, both formats, every dialect (the first byte chooses).
// Aborts where a promise breaks: lines are accounted for, views lie inside the input, numbers of
// the page come out finite or absent.
//
//   exposition_fuzz -max_len=4096 -dict=... corpus/

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/check.h"
#include "core/signal/replica_signals.h"
#include "format/exposition_signals.h"

namespace {

using namespace tidegate;

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_stats(const format::PageStats& s) {
  TIDEGATE_CHECK(s.lines == s.blank + s.comments + s.skipped + s.samples + s.garbage);
  TIDEGATE_CHECK((s.garbage > 0) == (s.first_garbage_line > 0));
  TIDEGATE_CHECK(s.first_garbage_line <= s.lines);
}

void parse(std::string_view text, format::TextFormat kind) {
  static const format::NameSet names(std::vector<std::string_view>{
      "up", "a:b_total", "lat_bucket", "vllm:num_requests_waiting", "dotted.name"});
  format::Exposition page(text, kind, names);
  for (format::SampleLine line; page.next(line);) {
    TIDEGATE_CHECK(line.name >= 0 && line.name < static_cast<int>(names.size()));
    TIDEGATE_CHECK(line.label_count <= format::SampleLine::kMaxLabels);
    TIDEGATE_CHECK(inside(line.exemplar, text));
    for (const format::Label& label : line.labels()) {
      TIDEGATE_CHECK(inside(label.name, text) && inside(label.value, text));
      TIDEGATE_CHECK(label.value.find('\n') == std::string_view::npos);
      TIDEGATE_CHECK(format::unescape(label.value).size() <= label.value.size());
      TIDEGATE_CHECK(label.escaped || format::unescape(label.value) == label.value);
    }
  }
  check_stats(page.stats());
}

void read(std::string_view text, format::TextFormat kind, std::size_t which) {
  static std::vector<std::unique_ptr<format::PageReader>> readers;
  for (std::size_t d = readers.size(); d < signal::kDialectCount; ++d) {
    readers.push_back(std::make_unique<format::PageReader>(
        signal::dialect(static_cast<signal::DialectId>(d)), signal::HistogramSet::all()));
  }
  const format::PageReader& reader = *readers[which % readers.size()];
  const signal::MeterOptions options{.histograms = signal::HistogramSet::all()};
  const signal::FreshnessRule rule;
  signal::Page page(reader.dialect());
  signal::ReplicaMeter meter;
  // The first half, then all: counters grow, fall, appear and vanish.
  for (auto [part, second] : {std::pair(text.substr(0, text.size() / 2), 0), std::pair(text, 1)}) {
    check_stats(reader.read(part, kind, page));
    Instant now = Instant::from_nanos(0) + seconds(second);
    signal::ReplicaSignals s = meter.read(page, now, options);
    for (std::size_t i = 0; i < s.values.size(); ++i) {
      signal::Signal v = s.signal(static_cast<signal::SignalId>(i), now, rule);
      TIDEGATE_CHECK(v.absent() || v.value - v.value == 0);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A copy of exactly that size: a read of one byte more is seen.
  std::vector<char> copy(data + 1, data + size);
  std::string_view text(copy.data(), copy.size());
  auto kind = (data[0] & 1) != 0 ? tidegate::format::TextFormat::kOpenMetrics
                                 : tidegate::format::TextFormat::kPrometheus;
  parse(text, kind);
  if ((data[0] & 2) != 0) read(text, kind, data[0] >> 2);
  if (data[0] >> 2 == 63) tidegate::format::detect_dialect(text);
  return 0;
}
