#include "sim/report/start_log.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {

using control::ReplicaState;

std::optional<StartRow> StartLog::change(Instant at, const Change& change) {
  if (change.state == ReplicaState::kOrdered) {
    open_[change.id] = {.id = change.id, .variant = change.variant, .ordered = at};
    return std::nullopt;
  }
  auto found = open_.find(change.id);
  if (found == open_.end()) return std::nullopt;
  if (change.state == ReplicaState::kStarting) {
    found->second.granted = at;
    return std::nullopt;
  }
  StartRow row = found->second;
  open_.erase(found);
  row.ended = at;
  row.ready = change.state == ReplicaState::kReady;
  if (row.ready) row.stages = change.stages;
  return row;
}

std::vector<Span> spans(const StartRow& start) {
  std::vector<Span> out;
  Instant at = start.ordered;
  auto until = [&](std::string_view stage, Instant to) {
    to = std::clamp(to, at, start.ended);
    if (to > at) out.push_back({stage, at, to});
    at = to;
  };
  if (!start.ready) {
    until("procurement", start.granted);
    until("starting", start.ended);
    return out;
  }
  const control::StageTimes& s = start.stages;
  Duration known(0);
  for (Duration d : {s.procurement, s.image, s.weights, s.engine}) {
    known += std::max(d, Duration(0));
  }
  // What no stage accounts for was spent before the first: an order that waited.
  until("ordered", start.ended - known);
  for (auto [stage, took] : {std::pair{"procurement", s.procurement},
                             {"image", s.image},
                             {"weights", s.weights},
                             {"engine", s.engine}}) {
    until(stage, at + std::max(took, Duration(0)));
  }
  return out;
}

}  // namespace tidegate::sim
