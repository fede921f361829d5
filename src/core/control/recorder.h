#pragma once
// Recorder: which decisions reach the journal. Each that changed something at once; of the others
// one a minute, with the number left out since (run-length). Gives every recorded decision its
// sequence.

#include <cstdint>
#include <vector>

#include "core/control/events.h"

namespace tidegate::control {

inline constexpr Duration kUnchangedRecordPeriod = seconds(60);

class Recorder {
 public:
  explicit Recorder(std::uint64_t next_sequence) : next_sequence_(next_sequence) {}
  /// Something changed apart from the numbers (mode, spec, an Apply): the next decision is
  /// recorded.
  void mark_changed() { changed_ = true; }
  void decided(Decision decision, Instant now, std::vector<Action>& actions);

 private:
  std::uint64_t next_sequence_;
  std::int64_t repeats_ = 0;
  Instant last_;
  bool changed_ = true;  ///< the first is always recorded
  bool complete_ = true;
  std::vector<std::int64_t> counts_;
};

}  // namespace tidegate::control
