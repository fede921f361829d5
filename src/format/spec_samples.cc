// Files of measured times: {samples: FILE}.

#include <algorithm>
#include <string>

#include "format/spec_reader.h"
#include "format/spec_units.h"

namespace tidegate::format {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\"";
  auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view column(std::string_view line, std::size_t index) {
  for (; index > 0; --index) {
    auto comma = line.find(',');
    if (comma == std::string_view::npos) return "";
    line.remove_prefix(comma + 1);
  }
  return trimmed(line.substr(0, line.find(',')));
}

}  // namespace

Result<std::vector<Duration>> parse_samples(std::string_view text) {
  std::vector<Duration> samples;
  std::size_t index = 0;
  int number = 0;
  bool first = true;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    if (first && line.find("seconds") != std::string_view::npos) {
      while (column(line, index) != "seconds") {
        if (std::count(line.begin(), line.end(), ',') <= static_cast<std::ptrdiff_t>(index)) {
          return fail("line " + std::to_string(number) + ": no column is named \"seconds\"");
        }
        ++index;
      }
    } else if (auto nanos = scale_decimal(column(line, index), 1'000'000'000)) {
      if (samples.size() == kMaxSamples)
        return fail("more than " + std::to_string(kMaxSamples) + " samples");
      samples.emplace_back(*nanos);
    } else {
      return fail("line " + std::to_string(number) + ": \"" +
                  std::string(column(line, index).substr(0, 80)) + "\" is not a number of seconds");
    }
    first = false;
  }
  if (samples.empty()) return fail("holds no samples; write one number of seconds a line");
  return samples;
}

spec::Spread spread_of(std::vector<Duration> samples) {
  std::sort(samples.begin(), samples.end());
  auto rank = [&](std::size_t percent) {
    return samples[(samples.size() * percent + 99) / 100 - 1];
  };
  spec::Spread spread;
  spread.p50 = rank(50);
  spread.p90 = rank(90);
  spread.samples = std::move(samples);
  return spread;
}

}  // namespace tidegate::format
