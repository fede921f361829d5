#include "core/spec/options.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/base/ascii.h"

namespace tidegate::spec {
namespace {

std::string outside(const Option& option, double value) {
  const Range& range = option.range;
  if (!std::isfinite(value)) return "is not finite";
  if (value < range.min || (range.min_open && value == range.min)) return "is too small";
  return value > range.max ? "is too large" : "";
}

std::string label_fault(const std::string& text) {
  if (text.empty()) return "must not be empty";
  if (text.size() > 63) return "must have at most 63 characters";
  for (char c : text) {
    if (!ascii::is_lower_or_digit(c) && c != '-') {
      return "may hold only a-z, 0-9 and '-' (an RFC 1123 label)";
    }
  }
  if (text.front() == '-' || text.back() == '-') return "must begin and end with a letter or digit";
  return "";
}

std::string text_fault(const std::string& text) {
  if (text.size() > kMaxText) return "must have at most " + std::to_string(kMaxText) + " bytes";
  for (char c : text) {
    if (c == '\0') return "must not hold a NUL byte";
  }
  return "";
}

std::string spread_fault(const Option& option, const Spread& spread) {
  for (Duration d : {spread.p50, spread.p90}) {
    if (auto fault = outside(option, to_seconds(d)); !fault.empty()) return fault;
  }
  for (Duration d : spread.samples) {
    if (auto fault = outside(option, to_seconds(d)); !fault.empty())
      return "holds a sample that " + fault;
  }
  return spread.p90 < spread.p50 ? "has its p90 below its p50" : "";
}

std::string policy_fault(const PolicyChoice& choice) {
  if (!choice.knob) return "";
  double knob = *choice.knob;
  if (choice.policy == PolicyKind::kTide) return "has no knob: tide learns its own";
  if (choice.policy == PolicyKind::kOracle) {
    return knob > 0 && knob < 1 ? ""
                                : "needs a knob above 0 and below 1, the share of requests to meet";
  }
  if (choice.policy == PolicyKind::kStatic) {
    return knob >= 0 && knob <= 10'000 && knob == std::floor(knob)
               ? ""
               : "needs a knob from 0 to 10000, a whole number of replicas";
  }
  if (choice.policy == PolicyKind::kConcurrency) {
    return knob >= 1 && knob <= 100'000 ? ""
                                        : "needs a knob from 1 to 100000, requests per replica";
  }
  if (choice.policy == PolicyKind::kSaturation || choice.policy == PolicyKind::kPlanner) {
    return knob > 0 && knob <= 1 ? "" : "needs a knob above 0 and at most 1, a share";
  }
  return knob > 0 && knob <= 1e12 ? "" : "needs a knob above 0";
}

template <class Items>
std::string items_fault(const Option& option, const Items& items) {
  std::size_t most = option.max_items != 0 ? option.max_items : kMaxItems;
  if (items.size() > most) return "must have at most " + std::to_string(most) + " items";
  for (const auto& item : items) {
    std::string fault;
    if constexpr (std::is_same_v<Items, std::vector<std::string>>) {
      fault = item.empty() ? "must not hold an empty text" : text_fault(item);
    } else {
      fault = item.first.empty() ? "must not have an empty name" : text_fault(item.second);
    }
    if (!fault.empty()) return fault;
  }
  return option.required && items.empty() ? "must not be empty" : "";
}

}  // namespace

const Option* find(const Section& section, std::string_view key) {
  for (const Option& row : section.options) {
    if (row.key == key) return &row;
  }
  return nullptr;
}

std::string_view retired(const Section& section, std::string_view key) {
  for (const Retired& was : section.retired) {
    if (was.key == key) return was.write;
  }
  return {};
}

Value default_value(const Section& section, const Option& option) {
  return option.bind.get != nullptr ? option.bind.get(section.defaults()) : Value{};
}

std::string check(const Option& option, const Value& value) {
  if (auto* v = std::get_if<std::int64_t>(&value)) return outside(option, static_cast<double>(*v));
  if (auto* v = std::get_if<double>(&value)) return outside(option, *v);
  if (auto* v = std::get_if<Duration>(&value)) return outside(option, to_seconds(*v));
  if (auto* v = std::get_if<LatencyBound>(&value)) return outside(option, to_seconds(v->bound));
  if (auto* v = std::get_if<Spread>(&value)) return spread_fault(option, *v);
  if (auto* v = std::get_if<PolicyChoice>(&value)) return policy_fault(*v);
  if (auto* v = std::get_if<std::vector<std::string>>(&value)) return items_fault(option, *v);
  if (auto* v = std::get_if<std::map<std::string, std::string>>(&value))
    return items_fault(option, *v);
  if (auto* v = std::get_if<std::string>(&value)) {
    if (option.kind == Kind::kLabel) return label_fault(*v);
    if (option.required && v->empty()) return "must not be empty";
    return text_fault(*v);
  }
  return "";
}

std::string duration_text(Duration d) {
  std::int64_t left = d.count();
  if (left == 0) return "0s";
  std::string out;
  if (left < 0) out = "-";
  struct Unit {
    std::int64_t nanos;
    const char* name;
  };
  constexpr std::array<Unit, 7> kUnits{{{86'400'000'000'000, "d"},
                                        {3'600'000'000'000, "h"},
                                        {60'000'000'000, "m"},
                                        {1'000'000'000, "s"},
                                        {1'000'000, "ms"},
                                        {1'000, "us"},
                                        {1, "ns"}}};
  for (const Unit& unit : kUnits) {
    std::int64_t n = left / unit.nanos;
    left -= n * unit.nanos;
    if (n != 0) out += std::to_string(n < 0 ? -n : n) + unit.name;
  }
  return out;
}

std::string number_text(double value) {
  std::array<char, 400> buffer{};
  bool everyday =
      value == 0 || (value > -1e15 && value < 1e15 && (value >= 1e-6 || value <= -1e-6));
  auto end = everyday ? std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                      std::chars_format::fixed)
                      : std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), end.ptr);
}

}  // namespace tidegate::spec
