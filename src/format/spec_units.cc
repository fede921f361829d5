#include "format/spec_units.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/base/ascii.h"
#include "core/base/result.h"
#include "core/spec/options.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t scale;
};

constexpr Unit kTimes[] = {{"ns", 1},
                           {"us", 1'000},
                           {"\xC2\xB5s", 1'000},
                           {"ms", 1'000'000},
                           {"s", 1'000'000'000},
                           {"m", 60'000'000'000},
                           {"h", 3'600'000'000'000},
                           {"d", 86'400'000'000'000}};

// Decimal and binary as written; Ki, Mi, .. are what Kubernetes calls KiB, MiB, ..
constexpr Unit kSizes[] = {{"B", 1},           {"KB", 1'000},         {"kB", 1'000},
                           {"MB", 1'000'000},  {"GB", 1'000'000'000}, {"TB", 1'000'000'000'000},
                           {"KiB", 1LL << 10}, {"MiB", 1LL << 20},    {"GiB", 1LL << 30},
                           {"TiB", 1LL << 40}, {"Ki", 1LL << 10},     {"Mi", 1LL << 20},
                           {"Gi", 1LL << 30},  {"Ti", 1LL << 40}};
constexpr Unit kBits[] = {{"bit", 1},
                          {"kbit", 1'000},
                          {"Mbit", 1'000'000},
                          {"Gbit", 1'000'000'000},
                          {"Tbit", 1'000'000'000'000}};

template <std::size_t N>
const Unit* unit_of(const Unit (&units)[N], std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

std::size_t number_length(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789."), text.size());
}

constexpr std::string_view kDurationForm = "a duration such as 90s, 300ms, 5m, 1h30m or 7d";
constexpr std::string_view kBytesForm = "a size such as 256MiB, 27GB or 512KiB";
constexpr std::string_view kBandwidthForm = "a bandwidth such as 1.5GB/s or 10Gbit/s";

Error refuse(std::string_view text, std::string_view fault) {
  return {"\"" + std::string(text.substr(0, 80)) + "\" " + std::string(fault)};
}

Error refuse_quantity(std::string_view text) {
  if (text.empty()) return refuse(text, "is empty");
  if (text.front() == '-') return refuse(text, "is negative");
  std::size_t digits = number_length(text);
  if (digits == text.size()) return refuse(text, "has no unit");
  if (digits == 0) return refuse(text, "does not begin with a number");
  return refuse(text, "has an unknown unit or is out of range");
}

template <class T>
Result<T> or_form(Result<T> result, std::string_view form) {
  if (!result) result.error().message += "; write " + std::string(form);
  return result;
}

}  // namespace

std::optional<std::int64_t> scale_decimal(std::string_view digits, std::int64_t scale) {
  __int128 value = 0, divisor = 1;
  bool dot = false;
  int count = 0;
  for (char c : digits) {
    if (c == '.' && !dot) {
      dot = true;
    } else if (ascii::is_digit(c) && ++count <= 18) {
      value = value * 10 + (c - '0');
      if (dot) divisor *= 10;
    } else {
      return std::nullopt;
    }
  }
  if (count == 0 || digits.front() == '.' || digits.back() == '.') return std::nullopt;
  __int128 scaled = (value * scale + divisor / 2) / divisor;
  if (scaled > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(scaled);
}

Result<Duration> read_duration(std::string_view text) {
  Error error = refuse_quantity(text);
  std::int64_t total = 0;
  std::int64_t last_scale = std::numeric_limits<std::int64_t>::max();
  if (text.empty()) return fail(error);
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t digits = number_length(rest);
    std::size_t end = std::min(rest.find_first_of("0123456789.", digits), rest.size());
    const Unit* unit = unit_of(kTimes, rest.substr(digits, end - digits));
    if (unit == nullptr) return fail(error);
    auto part = scale_decimal(rest.substr(0, digits), unit->scale);
    if (!part || __builtin_add_overflow(total, *part, &total)) return fail(error);
    if (unit->scale >= last_scale) {
      return fail(refuse(text, "must go from large units to small"));
    }
    last_scale = unit->scale;
    rest.remove_prefix(end);
  }
  return Duration(total);
}

Result<std::int64_t> read_bytes(std::string_view text) {
  std::size_t digits = number_length(text);
  const Unit* unit = unit_of(kSizes, text.substr(digits));
  auto value = unit != nullptr ? scale_decimal(text.substr(0, digits), unit->scale) : std::nullopt;
  if (!value) return fail(refuse_quantity(text));
  return *value;
}

Result<std::int64_t> read_bandwidth(std::string_view text) {
  std::string_view amount = text;
  if (amount.ends_with("/s")) {
    amount.remove_suffix(2);
  } else if (amount.ends_with("bps")) {  // 10Gbps
    amount.remove_suffix(2);
  } else {
    return fail(refuse(text, "is not a size per second"));
  }
  std::size_t digits = number_length(amount);
  std::string_view name = amount.substr(digits);
  std::string bits(name);
  if (text.ends_with("bps")) bits += "it";
  if (const Unit* unit = unit_of(kBits, bits)) {
    // Eighths of the scale are exact from kbit on; a lone bit rounds up.
    if (auto value = scale_decimal(amount.substr(0, digits), unit->scale)) return (*value + 7) / 8;
  } else if (const Unit* size = unit_of(kSizes, name); size != nullptr && !text.ends_with("bps")) {
    if (auto value = scale_decimal(amount.substr(0, digits), size->scale)) return *value;
  }
  return fail(refuse_quantity(text));
}

Result<Duration> parse_duration(std::string_view text) {
  return or_form(read_duration(text), kDurationForm);
}
Result<std::int64_t> parse_bytes(std::string_view text) {
  return or_form(read_bytes(text), kBytesForm);
}
Result<std::int64_t> parse_bandwidth(std::string_view text) {
  return or_form(read_bandwidth(text), kBandwidthForm);
}

std::string format_duration(Duration d) { return spec::duration_text(d); }

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<Unit, 8> kBest{{{"TiB", 1LL << 40},
                                       {"TB", 1'000'000'000'000},
                                       {"GiB", 1LL << 30},
                                       {"GB", 1'000'000'000},
                                       {"MiB", 1LL << 20},
                                       {"MB", 1'000'000},
                                       {"KiB", 1LL << 10},
                                       {"KB", 1'000}}};
  std::string best = std::to_string(bytes) + "B";
  for (const Unit& unit : kBest) {
    __int128 tenths = static_cast<__int128>(bytes) * 10;
    if (bytes == 0 || bytes < unit.scale || tenths % unit.scale != 0) continue;
    auto n = static_cast<std::int64_t>(tenths / unit.scale);
    std::string text = std::to_string(n / 10);
    if (n % 10 != 0) text += "." + std::to_string(n % 10);
    text += unit.name;
    if (text.size() < best.size()) best = text;
  }
  return best;
}

std::string format_bandwidth(std::int64_t bytes_per_second) {
  return format_bytes(bytes_per_second) + "/s";
}

}  // namespace tidegate::format
