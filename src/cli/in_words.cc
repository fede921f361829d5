#include "cli/in_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

namespace tidegate::cli {
namespace {

class Read {
 public:
  explicit Read(const Reason& reason) : reason_(reason) {}
  std::optional<double> find(std::string_view name) const {
    for (const Evidence& e : reason_.evidence) {
      if (e.name == name) return e.value;
    }
    return std::nullopt;
  }
  double of(std::string_view name) const { return find(name).value_or(0); }
  /// What stands before `end` in the one name that ends so: "season" of "season_forecast".
  std::string before(std::string_view end) const {
    for (const Evidence& e : reason_.evidence) {
      const std::string_view name = e.name;
      if (name.ends_with(end)) return std::string(name.substr(0, name.size() - end.size()));
    }
    return {};
  }

 private:
  const Reason& reason_;
};

constexpr std::string_view kForecast = "_forecast_requests_per_second";
constexpr std::string_view kBound = "_bound_requests_per_second";
constexpr std::string_view kPrice = "_price_requests_per_second";

std::string predictor_words(std::string_view which, const Read& read) {
  if (which == "season") return "by the same time of days before";
  if (which == "peak") {
    return fmt::format("by {:.0f} % of the largest rate of the last hours",
                       100 * read.of("peak_held_ratio"));
  }
  return "by the mean of the window";
}

std::string bound_words(std::string_view which) {
  if (which == "kv") return "KV binds";
  if (which == "itl") return "the ITL bound binds";
  if (which == "batch") return "batched tokens bind";
  return "sequences bind";
}

/// Why that predictor: what each would have cost.
std::string price_words(std::string_view which, const Read& read) {
  std::string others;
  for (std::string_view other : {"last", "season", "peak"}) {
    const auto price = read.find(std::string(other) + std::string(kPrice));
    if (!price || other == which) continue;
    others += fmt::format("{}{} {:.4g}", others.empty() ? "" : ", ", other, *price);
  }
  const auto own = read.find(std::string(which) + std::string(kPrice));
  if (!own || others.empty()) {
    return "no predictor has been compared yet: the last value decides";
  }
  return fmt::format(
      "why {}: alone it would have cost {:.4g} requests/s of room with its misses at their price; "
      "{}",
      which, *own, others);
}

/// Factors that are off their start, by more than it matters.
std::string learned_words(const Read& read) {
  constexpr double kWorthSaying = 0.02;
  std::string out;
  for (const auto& [name, words] :
       {std::pair("learned_decode_ratio", "decode steps"),
        std::pair("learned_prefill_ratio", "prefill"), std::pair("learned_kv_ratio", "KV held"),
        std::pair("learned_capacity_ratio", "capacity by what was missed"),
        std::pair("learned_chance_ratio", "margin of chance")}) {
    const double value = read.find(name).value_or(1);
    if (std::abs(value - 1) < kWorthSaying) continue;
    out += fmt::format("{}{} x {:.2f}", out.empty() ? "" : ", ", words, value);
  }
  return out.empty() ? out : "learned, against the profile: " + out;
}

}  // namespace

std::vector<std::string> in_words(const Reason& reason) {
  const Read read(reason);
  const std::string which = read.before(kForecast), binds = read.before(kBound);
  if (reason.code != ReasonCode::kForecast || which.empty() || binds.empty()) return {};
  std::vector<std::string> out;
  const double each = read.of(binds + std::string(kBound));
  out.push_back(fmt::format("{:.4g} requests/s are expected {:.0f} s from now (p90 of a start), {}",
                            read.of(which + std::string(kForecast)), read.of("lead_time_seconds"),
                            predictor_words(which, read)));
  if (const double burst = read.of("burst_requests_per_second"); burst > 0) {
    out.push_back(
        fmt::format("a burst is under way: {:.4g} requests/s of it are counted on", burst));
  }
  out.push_back(
      fmt::format("with room for its error and for chance, {:.4g}: so that {:.2f} % meet the SLO "
                  "({:.0f} % of the misses it allows were spent)",
                  read.of("staffed_rate_requests_per_second"), 100 * read.of("slo_share"),
                  100 * read.of("error_budget_spent_ratio")));
  if (const double rise = read.find("rise_requests_per_second").value_or(0);
      rise > 0 && which == "last") {
    out.push_back(
        fmt::format("of it {:.3g} requests/s because it rises ({:.0f} % of earlier rises "
                    "came true)",
                    rise, 100 * read.of("believed_rise_ratio")));
  }
  if (const double work = read.find("work_per_request_ratio").value_or(1);
      std::abs(work - 1) > 0.1) {
    out.push_back(fmt::format(
        "requests are counted as those of the last hours: one takes {:.2g} times as much of late",
        work));
  }
  out.push_back(fmt::format("one replica sustains {:.4g} ({})", each, bound_words(binds)));
  out.push_back(price_words(which, read));
  if (std::string learned = learned_words(read); !learned.empty())
    out.push_back(std::move(learned));
  return out;
}

}  // namespace tidegate::cli
