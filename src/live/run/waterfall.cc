#include "live/run/waterfall.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kBar = 40;  ///< columns the longest total takes

struct Times {
  double p50 = 0, p90 = 0;
};

std::optional<Times> times(const Json& stages, const char* stage) {
  auto found = stages.find(stage);
  if (found == stages.end() || !found->is_object()) return std::nullopt;
  return Times{found->value("p50Seconds", 0.0), found->value("p90Seconds", 0.0)};
}

std::string seconds_text(double seconds) {
  return seconds < 1'000 ? fmt::format("{:.1f}s", seconds) : fmt::format("{:.0f}m", seconds / 60);
}

class Block {
 public:
  Block(const Json& stages, const Json& prior) : stages_(stages), prior_(prior) {
    for (const Json* side : {&stages, &prior}) {
      if (auto total = times(*side, "total")) longest_ = std::max(longest_, total->p90);
    }
  }

  std::string text() {
    for (const char* stage : {"procurement", "image", "weights", "engine"}) row(stage, stage);
    // Parts of engine, in the order they come in it.
    double behind = at_;
    if (auto engine = times(stages_, "engine")) at_ -= engine->p50;
    for (const char* part : {"compile", "graphs"}) {
      if (times(stages_, part)) row(fmt::format("  {}", part), part);
    }
    at_ = behind;
    const auto total = times(stages_, "total");
    if (total && total->p50 - at_ > total->p50 / 100) {
      // Quantiles do not add up: what is left over is about what nobody saw.
      line("not seen", Times{total->p50 - at_, total->p50 - at_}, std::nullopt);
    }
    at_ = 0;
    row("total", "total");
    return std::move(out_);
  }

 private:
  void row(const std::string& label, const char* stage) {
    line(label, times(stages_, stage), times(prior_, stage));
  }

  void line(const std::string& label, std::optional<Times> seen, std::optional<Times> expected) {
    std::string bar;
    if (seen) {
      const std::size_t from = columns(at_), to = std::max(from, columns(at_ + seen->p50));
      bar = std::string(from, ' ') + std::string(to - from, '#');
      bar += std::string(std::max(to, columns(at_ + seen->p90)) - to, '-');
      at_ += seen->p50;
    }
    out_ += fmt::format("  {:<12}  {:<{}}  {:>8}  {:>8}  {:>8} {:>8}\n", label, bar, kBar,
                        seen ? seconds_text(seen->p50) : "-", seen ? seconds_text(seen->p90) : "-",
                        expected ? seconds_text(expected->p50) : "-",
                        expected ? seconds_text(expected->p90) : "-");
  }

  std::size_t columns(double seconds) const {
    if (longest_ <= 0) return 0;
    return static_cast<std::size_t>(
        std::floor(std::clamp(seconds / longest_, 0.0, 1.0) * kBar + 0.5));
  }

  const Json& stages_;
  const Json& prior_;
  double longest_ = 0, at_ = 0;
  std::string out_;
};

std::string words(const std::string& from) {
  if (from == "noNode") return "no node";
  if (from == "cachedWeights") return "cached weights";
  return from;
}

}  // namespace

Json cold_starts_of(const Json& status) {
  Json out = Json::array();
  for (const Json& model : status.value("results", Json::array())) {
    for (const Json& variant : model.value("variants", Json::array())) {
      out.push_back({{"model", model.value("model", "")},
                     {"variant", variant.value("variant", "")},
                     {"coldStarts", variant.value("coldStarts", Json())}});
    }
  }
  return out;
}

std::string waterfall_text(const Json& status) {
  std::string out;
  for (const Json& one : cold_starts_of(status)) {
    const Json& measured = one["coldStarts"];
    if (!measured.is_object()) continue;
    const std::string name =
        one["model"].get<std::string>() + " / " + one["variant"].get<std::string>();
    for (const Json& state : measured.value("states", Json::array())) {
      const auto starts = state.value("starts", std::int64_t{0});
      const std::string counted = starts == 0   ? "no start measured yet"
                                  : starts == 1 ? "1 start"
                                                : fmt::format("{} starts", starts);
      const std::string head =
          fmt::format("{}  {}: {}", name, words(state.value("from", "")), counted);
      const Json stages = state.value("stages", Json::object());
      const Json prior = state.value("prior", Json::object());
      out += fmt::format("{:<{}}  {:>8}  {:>8}  {:>17}\n{}\n", head, kBar + 16, "p50", "p90",
                         "spec p50/p90", Block(stages, prior).text());
    }
    if (const auto n = measured.value("distrusted", std::int64_t{0}); n > 0) {
      out += fmt::format("{}: {} start{} of no or absurd length not believed\n\n", name, n,
                         n == 1 ? "" : "s");
    }
  }
  return out;
}

}  // namespace tidegate::live
