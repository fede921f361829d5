#include "format/engine_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace tidegate::format {
namespace {

enum class Says : std::uint8_t { kModelLoaded, kWeightsLoaded, kCompile, kGraphs, kNode, kImage };
constexpr std::size_t kTimes = 6;

/// A line that holds `words`, and somewhere behind them `before`, tells a time: the number that
/// stands there.
struct Sentence {
  std::string_view words, before;
  Says says;
};

constexpr Sentence kSentences[] = {
    // vLLM. Loading the model holds the download and the loading of the weights.
    {"Model loading took ", " and ", Says::kModelLoaded},
    {"Loading model weights took ", " and ", Says::kModelLoaded},
    {"Loading weights took ", "", Says::kWeightsLoaded},
    {"torch.compile takes ", "", Says::kCompile},
    {"torch.compile took ", "", Says::kCompile},
    {"Graph capturing finished in ", "", Says::kGraphs},
    // SGLang.
    {"Load weight end.", "elapsed=", Says::kModelLoaded},
    {"Capture cuda graph end.", "Time elapsed: ", Says::kGraphs},
    {"CUDA graph end.", "elapsed=", Says::kGraphs},
    // Emulated.
    {"Emulated procurement took ", "", Says::kNode},
    {"Emulated image took ", "", Says::kImage},
};

std::optional<Duration> told(std::string_view line, const Sentence& sentence) {
  std::size_t at = line.find(sentence.words);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + sentence.words.size());
  at = line.find(sentence.before);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + sentence.before.size());
  double seconds = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
  if (error != std::errc() || !(seconds >= 0) || seconds >= 86'400) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(line.data() + line.size() - end));
  if (!unit.starts_with(" s") && !unit.starts_with("s")) return std::nullopt;  // "GiB", say
  return seconds_f(seconds);
}

}  // namespace

EngineStart parse_engine_log(std::string_view text) {
  std::array<Duration, kTimes> longest;
  longest.fill(Duration(-1));
  text = text.substr(0, kMaxStartLog);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\r"), text.size());
    const std::string_view line = text.substr(0, std::min(end, kMaxLine));
    text.remove_prefix(std::min(end + 1, text.size()));
    for (const Sentence& sentence : kSentences) {
      if (auto took = told(line, sentence)) {
        Duration& known = longest[static_cast<std::size_t>(sentence.says)];
        known = std::max(known, *took);
      }
    }
  }
  auto of = [&](Says says) { return longest[static_cast<std::size_t>(says)]; };
  const Duration loaded = of(Says::kModelLoaded);
  return {.procurement = of(Says::kNode),
          .image = of(Says::kImage),
          .weights = loaded >= Duration(0) ? loaded : of(Says::kWeightsLoaded),
          .compile = of(Says::kCompile),
          .graphs = of(Says::kGraphs)};
}

}  // namespace tidegate::format
