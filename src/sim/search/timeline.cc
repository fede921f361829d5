#include "sim/search/timeline.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {

Timeline::Timeline(std::vector<std::int64_t> initial) : initial_(std::move(initial)) {
  for (std::int64_t n : initial_) steps_.push_back({{Duration(0), n}});
}

Timeline Timeline::of(std::vector<std::int64_t> initial, const Schedule& schedule) {
  Timeline out(std::move(initial));
  for (const ScheduleStep& step : schedule) {
    auto& steps = out.steps_[step.variant];
    steps[out.split(steps, std::max(step.at, Duration(0)))].replicas = step.replicas;
  }
  for (auto& steps : out.steps_) join(steps);
  return out;
}

std::size_t Timeline::split(std::vector<Step>& steps, Duration at) {
  auto after = std::upper_bound(steps.begin(), steps.end(), at,
                                [](Duration t, const Step& step) { return t < step.at; });
  auto before = std::prev(after);
  if (before->at != at) before = steps.insert(after, {at, before->replicas});
  return static_cast<std::size_t>(before - steps.begin());
}

void Timeline::join(std::vector<Step>& steps) {
  auto same = [](const Step& a, const Step& b) { return a.replicas == b.replicas; };
  steps.erase(std::unique(steps.begin(), steps.end(), same), steps.end());
}

void Timeline::set(std::size_t variant, Duration at, std::int64_t replicas) {
  auto& steps = steps_[variant];
  steps[split(steps, at)].replicas = replicas;
  join(steps);
}

template <class Value>
void Timeline::change(std::size_t variant, Span span, Value value) {
  if (span.from >= span.until) return;
  auto& steps = steps_[variant];
  std::size_t first = split(steps, span.from), last = split(steps, span.until);
  for (std::size_t i = first; i < last; ++i) steps[i].replicas = value(steps[i].replicas);
  join(steps);
}

void Timeline::add(std::size_t variant, Span span, std::int64_t change_by) {
  change(variant, span, [=](std::int64_t n) { return n + change_by; });
}

void Timeline::clamp(std::size_t variant, Span span, plan::BoundsInForce bounds) {
  change(variant, span, [=](std::int64_t n) { return std::clamp(n, bounds.min, bounds.max); });
}

Schedule Timeline::schedule() const {
  Schedule out;
  for (std::size_t v = 0; v < steps_.size(); ++v) {
    std::int64_t before = initial_[v];
    for (const Step& step : steps_[v]) {
      if (step.replicas != before) out.push_back({step.at, v, step.replicas});
      before = step.replicas;
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ScheduleStep& a, const ScheduleStep& b) { return a.at < b.at; });
  return out;
}

double Timeline::weight(const std::vector<double>& weights, Duration end) const {
  double out = 0;
  for (std::size_t v = 0; v < steps_.size(); ++v) {
    for (std::size_t i = 0; i < steps_[v].size() && steps_[v][i].at < end; ++i) {
      Duration until = i + 1 < steps_[v].size() ? std::min(end, steps_[v][i + 1].at) : end;
      out += weights[v] * static_cast<double>(steps_[v][i].replicas) *
             to_seconds(until - steps_[v][i].at);
    }
  }
  return out;
}

std::uint64_t Timeline::hash() const {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  auto mix = [&](std::uint64_t value) {
    for (int byte = 0; byte < 8; ++byte) {
      hash = (hash ^ ((value >> (8 * byte)) & 0xFF)) * 0x100000001B3ULL;
    }
  };
  for (const auto& steps : steps_) {
    mix(steps.size());
    for (const Step& step : steps) {
      mix(static_cast<std::uint64_t>(step.at.count()));
      mix(static_cast<std::uint64_t>(step.replicas));
    }
  }
  return hash;
}

}  // namespace tidegate::sim
