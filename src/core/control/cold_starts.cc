#include "core/control/cold_starts.h"

#include <algorithm>

namespace tidegate::control {
namespace {

/// Nearest rank. Sorts.
StartQuantiles quantiles(std::vector<Duration>& times) {
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  auto rank = [&](std::size_t percent) { return times[(times.size() * percent + 99) / 100 - 1]; };
  return {static_cast<std::int64_t>(times.size()), rank(50), rank(90)};
}

/// Totals of the latest kStartsKept of `kept` that `counts`.
template <class Counts>
StartQuantiles latest_totals(const std::vector<StageTimes>& kept, Counts counts) {
  std::vector<Duration> times;
  for (auto start = kept.rbegin(); start != kept.rend() && times.size() < kStartsKept; ++start) {
    if (counts(*start)) times.push_back(start->total);
  }
  return quantiles(times);
}

}  // namespace

Duration time_of(const StageTimes& start, StartStage stage) {
  switch (stage) {
    case StartStage::kProcurement:
      return start.procurement;
    case StartStage::kImage:
      return start.image;
    case StartStage::kWeights:
      return start.weights;
    case StartStage::kEngine:
      return start.engine;
    case StartStage::kCompile:
      return start.compile;
    case StartStage::kGraphs:
      return start.graphs;
    case StartStage::kTotal:
      return start.total;
  }
  return Duration(-1);
}

bool ColdStarts::add(StageTimes start) {
  if (start.total <= Duration(0) || start.total > kLongestStart) {
    ++distrusted_;
    return false;
  }
  for (Duration StageTimes::*stage :
       {&StageTimes::procurement, &StageTimes::image, &StageTimes::weights, &StageTimes::engine,
        &StageTimes::compile, &StageTimes::graphs}) {
    if (start.*stage < Duration(0) || start.*stage > start.total) start.*stage = Duration(-1);
  }
  auto same = [&](const StageTimes& other) { return other.from == start.from; };
  if (std::count_if(kept_.begin(), kept_.end(), same) >= static_cast<std::ptrdiff_t>(kStartsKept)) {
    kept_.erase(std::find_if(kept_.begin(), kept_.end(), same));
  }
  kept_.push_back(start);
  ++measured_;
  auto wake = [](const StageTimes& other) { return other.from == StartFrom::kSleeping; };
  if (wake(start)) {
    wakes_ = latest_totals(kept_, wake);
  } else {
    cold_ = latest_totals(kept_, [&](const StageTimes& other) { return !wake(other); });
  }
  return true;
}

StartQuantiles ColdStarts::of(StartFrom from, StartStage stage) const {
  std::vector<Duration> times;
  for (const StageTimes& start : kept_) {
    const Duration took = time_of(start, stage);
    if (start.from == from && took >= Duration(0)) times.push_back(took);
  }
  return quantiles(times);
}

}  // namespace tidegate::control
