// Files of measured times: {samples: FILE}.

#include <algorithm>
#include <string>

#include "format/spec_reader.h"
#include "format/spec_units.h"
#include "format/spec_yaml.h"

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

std::string recorded_samples(const std::map<std::string, spec::Spread>& by_file) {
  if (by_file.empty()) return "";
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "---" + std::string(kRecordedSamples.substr(3)) + "\n";
  for (const auto& [file, spread] : by_file) {
    out += '"';
    for (char c : file) {
      auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
      } else if (byte < 0x20 || byte == 0x7f) {
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      } else {
        out += c;
      }
    }
    out += "\": {p50: " + format_duration(spread.p50) + ", p90: " + format_duration(spread.p90) +
           "}\n";
  }
  return out;
}

Result<std::map<std::string, spec::Spread>> parse_recorded_samples(const Node& root) {
  std::map<std::string, spec::Spread> out;
  for (std::size_t i = 0; i < root.keys.size() && i < root.items.size(); ++i) {
    const Node* p50 = root.items[i].find("p50");
    const Node* p90 = root.items[i].find("p90");
    if (p50 == nullptr || p90 == nullptr) return fail("recorded samples lack p50 or p90");
    auto middle = read_duration(p50->text), late = read_duration(p90->text);
    if (!middle) return fail(middle.error().within("recorded samples"));
    if (!late) return fail(late.error().within("recorded samples"));
    out[root.keys[i].first] = {.p50 = *middle, .p90 = *late, .samples = {}};
  }
  return out;
}

}  // namespace tidegate::format
