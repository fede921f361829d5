#pragma once
// StartLog: the starts of a fleet from its changes, each told once: when it became ready or was
// given up.
//
//   if (auto start = log.change(at, change)) rows.add(*start);
//   for (const Span& span : spans(*start)) draw(span);   // ordered, procurement, image, ...
//
// Replicas that were there from the beginning have no start. Memory grows with the starts under
// way. Thread-safety: one owner.

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/recorder.h"

namespace tidegate::sim {

struct StartRow {
  ReplicaId id;
  std::size_t variant = 0;
  Instant ordered;
  Instant granted = Instant::never();  ///< its node is there: billed from here
  Instant ended;                       ///< ready, or given up
  bool ready = false;
  control::StageTimes stages;  ///< of a ready one
  Duration total() const { return ended - ordered; }
};

class StartLog {
 public:
  std::optional<StartRow> change(Instant at, const Change& change);
  /// Those under way.
  const std::map<ReplicaId, StartRow>& open() const { return open_; }

 private:
  std::map<ReplicaId, StartRow> open_;
};

/// A stretch of a start. `stage` is ordered, procurement, image, weights, engine, or starting:
/// granted and given up, so that nobody knows where it was.
struct Span {
  std::string_view stage;
  Instant from, to;
};
/// In order, without gaps, from ordered to ended; stages that took no time are left out.
std::vector<Span> spans(const StartRow& start);

}  // namespace tidegate::sim
