#pragma once
// ColdStarts: how long the last starts of one variant took, by what they found and stage by stage.
//
//   ColdStarts starts;
//   starts.add(event.stages);                                   // at the change to ready
//   starts.of(StartFrom::kCold, StartStage::kWeights).p90;      // negative: not known
//   starts.cold().p90                                           // of all but wakes
//
// Keeps the last kStartsKept of each state, so that a slower cluster is believed after two starts
// and a rare state is not pushed out by a frequent one. Quantiles are values that were measured
// (nearest rank). A stage nobody saw is unknown, not zero: it counts in no quantile. Absurd times
// are distrusted: a start that took nothing or more than kLongestStart is not kept, a stage that is
// longer than its start is taken for unknown. World time. Thread-safety: a value.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/control/events.h"

namespace tidegate::control {

/// Enough for a p90, few enough that what changed is soon believed.
inline constexpr std::size_t kStartsKept = 16;
/// A longer one was not a start: a stopped clock, a suspended machine.
inline constexpr Duration kLongestStart = seconds(24 * 3'600);

enum class StartStage : std::uint8_t {
  kProcurement,
  kImage,
  kWeights,
  kEngine,
  kCompile,  ///< a part of engine
  kGraphs,   ///< likewise
  kTotal
};
inline constexpr std::size_t kStartStages = 7;

/// Negative: not seen.
Duration time_of(const StageTimes& start, StartStage stage);

struct StartQuantiles {
  std::int64_t starts = 0;    ///< that were measured
  Duration p50{-1}, p90{-1};  ///< negative where there are none
  bool operator==(const StartQuantiles&) const = default;
};

class ColdStarts {
 public:
  /// False: distrusted, nothing is kept of it.
  bool add(StageTimes start);
  /// Oldest first; add() of each in turn gives an equal value.
  const std::vector<StageTimes>& kept() const { return kept_; }
  std::int64_t distrusted() const { return distrusted_; }
  /// Ever added, also those that are kept no more: another number says that something is new.
  std::int64_t measured() const { return measured_; }

  StartQuantiles of(StartFrom from, StartStage stage) const;
  /// Order -> ready of the latest kStartsKept starts but wakes; of wakes. Ready-made: these are
  /// read at each observation.
  const StartQuantiles& cold() const { return cold_; }
  const StartQuantiles& wakes() const { return wakes_; }

 private:
  std::vector<StageTimes> kept_;
  std::int64_t distrusted_ = 0, measured_ = 0;
  StartQuantiles cold_, wakes_;
};

}  // namespace tidegate::control

namespace tidegate {
template <>
struct EnumTokens<control::StartStage> {
  static constexpr std::string_view kTokens[] = {"procurement", "image",  "weights", "engine",
                                                 "compile",     "graphs", "total"};
};
}  // namespace tidegate
