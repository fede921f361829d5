#pragma once
// Parts: what a made workload is, as values: a sum of parts, each a rate over time, a burstiness
// and who asks for what.
//
//   Workload day{.duration = seconds(86'400),
//                .parts = {{.name = "chat", .shape = Diurnal{.low = 0.2, .high = 4}},
//                          {.name = "batch", .shape = OnOff{.rate = 2}, .cv = 3}}};
//   Generator requests(day, /*seed=*/1);   // core/workload/generator.h
//
// Rates are requests per second, times count from the start of the trace, shares are 0..1 and what
// they leave to 1 is "none" (no tenant, the base model, the first class). Thread-safety: values.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"

namespace tidegate::workload {

/// The same rate all the time.
struct Steady {
  double rate = 1;
  bool operator==(const Steady&) const = default;
};

enum class Sojourn : std::uint8_t { kFixed, kExponential };
/// `rate` for `on`, then `off_rate` for `off`, and again; begins with on.
struct OnOff {
  double rate = 1;
  double off_rate = 0;
  Duration on = seconds(300);
  Duration off = seconds(300);
  Sojourn sojourn = Sojourn::kFixed;  ///< kExponential: on and off are means
  bool operator==(const OnOff&) const = default;
};

/// A cosine between `low` and `high` that peaks once a day; times `weekend` on every sixth and
/// seventh day. The trace begins at 00:00 of a Monday.
struct Diurnal {
  double low = 0.5;
  double high = 2;
  Duration peak_at = seconds(14 * 3'600);
  double weekend = 1;
  Duration day = seconds(24 * 3'600);  ///< shorter: the same shape in less time
  bool operator==(const Diurnal&) const = default;
};

struct Step {
  double before = 1;
  double after = 2;
  Duration at{0};
  bool operator==(const Step&) const = default;
};

/// `before` until `begin`, `after` from `end` on, a straight line between.
struct Ramp {
  double before = 1;
  double after = 2;
  Duration begin{0};
  Duration end{0};  ///< after begin
  bool operator==(const Ramp&) const = default;
};

/// `rate`, but for a while `factor` times as much: straight up in `rise`, held, straight down.
struct FlashCrowd {
  double rate = 1;
  double factor = 10;
  Duration at{0};
  Duration rise = seconds(30);
  Duration hold = seconds(300);
  Duration fall = seconds(300);
  bool operator==(const FlashCrowd&) const = default;
};

using Shape = std::variant<Steady, OnOff, Diurnal, Step, Ramp, FlashCrowd>;

/// Log-normal; without p90 a constant.
struct TokenSpread {
  std::int64_t p50 = 1;
  std::optional<std::int64_t> p90;
  std::optional<std::int64_t> max;  ///< longer draws are this long
  bool operator==(const TokenSpread&) const = default;
};
struct LengthPair {
  Tokens prompt, output;
  bool operator==(const LengthPair&) const = default;
};
/// Where nothing is said.
inline constexpr TokenSpread kPromptTokens{.p50 = 1'000, .p90 = 3'000, .max = {}};
inline constexpr TokenSpread kOutputTokens{.p50 = 200, .p90 = 600, .max = {}};
struct Lengths {
  std::optional<TokenSpread> prompt;  ///< default: kPromptTokens
  std::optional<TokenSpread> output;  ///< default: kOutputTokens
  std::string trace;                  ///< file the pairs below were read from
  std::vector<LengthPair> empirical;  ///< not empty: drawn from these, a pair at a time
  bool operator==(const Lengths&) const = default;
};

/// A share of the requests begins with one of `groups` shared texts (system prompts, documents),
/// the k-th most popular with weight k^-zipf. The shared tokens stand in front of the drawn prompt.
struct PrefixGroups {
  double share = 1;
  std::int64_t groups = 1;
  double zipf = 1;
  std::int64_t tokens = 1'024;
  std::int64_t block_tokens = 16;  ///< tokens a hash covers; a rest is not hashed
  bool operator==(const PrefixGroups&) const = default;
};

struct Share {
  std::string name;
  double share = 1;
  bool operator==(const Share&) const = default;
};

struct Part {
  std::string name;  ///< names its random streams: other parts do not move them
  Shape shape;
  double cv = 1;  ///< of the gaps: 1 Poisson, above bursts (Gamma), 0 evenly spaced
  Duration from{0};
  Duration until = Duration::max();
  Lengths lengths;
  std::optional<PrefixGroups> prefixes;
  std::vector<Share> priorities;  ///< by the name of the class
  std::vector<Share> tenants;
  std::vector<Share> adapters;
  std::vector<Share> models;
  bool operator==(const Part&) const = default;
};

struct Workload {
  Duration duration{0};
  std::vector<Part> parts;
  std::vector<std::string> priority_classes;  ///< index: the number a request carries
  bool operator==(const Workload&) const = default;
};

inline constexpr std::size_t kMaxParts = 64;
inline constexpr std::int64_t kMaxTokens = 10'000'000;  ///< of one prompt or output
inline constexpr std::int64_t kMaxPrefixGroups = 100'000;
inline constexpr std::int64_t kMaxPrefixTokens = 1'000'000;
inline constexpr double kMaxRate = 100'000;
inline constexpr double kMaxCv = 20;

}  // namespace tidegate::workload

namespace tidegate {
template <>
struct EnumTokens<workload::Sojourn> {
  static constexpr std::string_view kTokens[] = {"fixed", "exponential"};
};
}  // namespace tidegate
