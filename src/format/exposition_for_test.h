#pragma once
// A page as its samples in words, so that tables and oracle compare in one glance.

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "format/exposition.h"

namespace tidegate::format {

inline constexpr std::string_view kNames[] = {"up", "a:b_total", "lat_bucket",
                                              "vllm:num_requests_waiting", "dotted.name"};
inline const NameSet& wanted() {
  static const NameSet names(kNames);
  return names;
}

inline std::string show(const SampleLine& s) {
  std::string out(wanted().name(s.name));
  for (const Label& l : s.labels()) {
    out += "|" + std::string(l.name) + "=" + (l.escaped ? unescape(l.value) : std::string(l.value));
  }
  out += " " + (std::isnan(s.value) ? "NaN" : std::to_string(s.value));
  if (s.timestamp) out += " @" + std::to_string(s.timestamp->unix_nanos());
  if (!s.exemplar.empty()) out += " #" + std::string(s.exemplar);
  return out;
}

struct Parsed {
  std::vector<std::string> samples;
  PageStats stats;
};
inline Parsed parse(std::string_view text, TextFormat format = TextFormat::kPrometheus) {
  Parsed out;
  Exposition page(text, format, wanted());
  for (SampleLine s; page.next(s);) out.samples.push_back(show(s));
  out.stats = page.stats();
  return out;
}

}  // namespace tidegate::format
