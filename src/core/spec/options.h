#pragma once
// The option table: every key of `kind: Model`, declared once.
//
// A Section is the keys of one object; an Option is one row: key, kind, accepted values, one line
// of documentation ("what; when to touch"), and the binding to the member of core/spec/model.h it
// sets. From these rows come the reader (format/spec_reader.h), the JSON Schema and CRD
// (format/spec_schema.h), docs/configuration.md and `check --explain`; defaults are those of the
// structs themselves. No text is parsed here: format turns text into a Value, check() says whether
// it is accepted, Option::set stores it. Thread-safety: constant data.
//
//   const Section& spec = model_section();
//   const Option* row = find(spec, "queue");
//   for_each_option(spec, "spec",
//                   [](std::string_view path, const Section&, const Option& row) { ... });

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::spec {

enum class Kind : std::uint8_t {
  kString,   ///< text
  kLabel,    ///< RFC 1123 label: a-z, 0-9 and '-', at most 63
  kInteger,  ///< Value int64
  kNumber,   ///< Value double
  kMoney,    ///< dollars, Value double
  kBool,
  kDuration,    ///< text with units ("90s"), Value Duration
  kSeconds,     ///< a bare integer of seconds (where HPA v2 has one), Value Duration
  kBytes,       ///< "256MiB", Value int64
  kBandwidth,   ///< "1.5GB/s", Value int64 bytes a second
  kEnum,        ///< one of Option::tokens, Value string
  kPolicy,      ///< a token and perhaps a knob ("keda:5"), Value PolicyChoice
  kPercentile,  ///< {p99: 2s}, Value LatencyBound
  kSpread,      ///< a duration, {p50, p90} or {samples: FILE}, Value Spread
  kStringList,
  kStringMap,
  kObject,      ///< Option::section
  kObjectList,  ///< each item is Option::section
};

struct PolicyChoice {
  PolicyKind policy = PolicyKind::kConcurrency;
  std::optional<double> knob;
  bool operator==(const PolicyChoice&) const = default;
};

/// A typed value on its way between text and a member. monostate: not set.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Duration,
                           PolicyChoice, LatencyBound, Spread, std::vector<std::string>,
                           std::map<std::string, std::string>>;

/// Accepted numbers, in the unit of the Value (durations: seconds).
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;  ///< min itself is refused
  bool operator==(const Range&) const = default;
};

struct Section;

/// How a row reaches its member. `owner` points to the struct its Section describes.
struct Binding {
  void (*set)(void* owner, const Value& value) = nullptr;
  Value (*get)(const void* owner) = nullptr;
  void* (*child)(void* owner) = nullptr;  ///< kObject: made if absent; kObjectList: appended
  const void* (*view)(const void* owner) = nullptr;  ///< kObject: null if absent
  std::size_t (*size)(const void* owner) = nullptr;  ///< kObjectList
  const void* (*item)(const void* owner, std::size_t index) = nullptr;
};

struct Option {
  std::string_view key;
  Kind kind = Kind::kString;
  Binding bind;
  Range range;
  std::span<const std::string_view> tokens;  ///< kEnum, kPolicy
  const Section* section = nullptr;          ///< kObject, kObjectList
  bool required = false;
  std::size_t max_items = 0;  ///< lists and maps; 0: as the kind has it (kMaxItems)
  std::string_view unset;     ///< what holds where the key is absent and the struct has no value
  std::string_view example;   ///< as one would write it in YAML
  std::string_view doc;
  std::string_view shorthand;  ///< kObject: a bare duration or spread is taken for this key

  constexpr Option as(Kind k) const {
    Option o = *this;
    o.kind = k;
    return o;
  }
  constexpr Option between(double min, double max) const {
    Option o = *this;
    o.range = {min, max, false};
    return o;
  }
  constexpr Option above(double min, double max) const {
    Option o = *this;
    o.range = {min, max, true};
    return o;
  }
  constexpr Option needed() const {
    Option o = *this;
    o.required = true;
    return o;
  }
  constexpr Option at_most(std::size_t n) const {
    Option o = *this;
    o.max_items = n;
    return o;
  }
  constexpr Option otherwise(std::string_view s) const {
    Option o = *this;
    o.unset = s;
    return o;
  }
  constexpr Option like(std::string_view s) const {
    Option o = *this;
    o.example = s;
    return o;
  }
  constexpr Option says(std::string_view s) const {
    Option o = *this;
    o.doc = s;
    return o;
  }
  constexpr Option short_for(std::string_view s) const {
    Option o = *this;
    o.shorthand = s;
    return o;
  }
};

/// How many of a section's keys may be given together.
enum class Choice : std::uint8_t { kAny, kExactlyOne, kAtLeastOne };

/// A key that was, and what to write in its place.
struct Retired {
  std::string_view key, write;
};

struct Section {
  std::string_view name;  ///< in the singular, for headings and messages
  std::string_view doc;
  std::span<const Option> options;
  const void* (*defaults)() = nullptr;  ///< a default-made owner
  Choice choice = Choice::kAny;
  std::span<const std::string_view> among;  ///< the keys `choice` is about; empty: all
  std::span<const Retired> retired = {};
};

inline constexpr std::size_t kMaxItems = 64;    ///< lists and maps, unless the row says otherwise
inline constexpr std::size_t kMaxText = 4'096;  ///< bytes of one text

/// The keys under `spec:` of a Model.
const Section& model_section();
const Option* find(const Section& section, std::string_view key);
/// What to write in the place of a key that was; empty where it never was one.
std::string_view retired(const Section& section, std::string_view key);
/// The value of a default-made owner; monostate where there is none.
Value default_value(const Section& section, const Option& option);

/// Whether a typed value is accepted: empty, or its fault as a verb phrase ("is too small").
std::string check(const Option& option, const Value& value);
/// Shortest exact text: 90 s -> "1m30s", 1.5 s -> "1s500ms", 0 -> "0s".
std::string duration_text(Duration d);
/// Shortest text that reads back as the same number, without exponent for everyday sizes.
std::string number_text(double value);

/// Calls visit(path, section, row) for every row, depth first; list items are "path[]".
template <class Visit>
void for_each_option(const Section& section, const std::string& path, Visit&& visit) {
  for (const Option& row : section.options) {
    std::string at = path.empty() ? std::string(row.key) : path + "." + std::string(row.key);
    visit(std::string_view(at), section, row);
    if (row.section != nullptr) {
      for_each_option(*row.section, row.kind == Kind::kObjectList ? at + "[]" : at, visit);
    }
  }
}

/// Calls visit(path, section, row, value) for every leaf in force in `owner`; items are "path[0]".
/// An absent object and an empty list of objects are visited once, with monostate.
template <class Visit>
void for_each_value(const Section& section, const void* owner, const std::string& path,
                    Visit&& visit) {
  for (const Option& row : section.options) {
    std::string at = path.empty() ? std::string(row.key) : path + "." + std::string(row.key);
    const void* child = row.kind == Kind::kObject ? row.bind.view(owner) : nullptr;
    std::size_t items = row.kind == Kind::kObjectList ? row.bind.size(owner) : 0;
    if (child != nullptr) for_each_value(*row.section, child, at, visit);
    for (std::size_t i = 0; i < items; ++i) {
      for_each_value(*row.section, row.bind.item(owner, i), at + "[" + std::to_string(i) + "]",
                     visit);
    }
    if (child == nullptr && items == 0) {
      visit(std::string_view(at), section, row, row.bind.get ? row.bind.get(owner) : Value{});
    }
  }
}

}  // namespace tidegate::spec
