#pragma once
// Timeline: a schedule one can edit: for each variant, how many replicas from when on.
//
//   Timeline line = Timeline::of({2}, schedule);
//   line.add(0, {seconds(60), seconds(120)}, -1);   // one fewer for that minute
//   world.schedule = line.schedule();
//
// Equal neighbours are one stretch, so equal fleets compare equal. Times count from the start.
// Thread-safety: values.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/plan/plan.h"
#include "sim/world.h"

namespace tidegate::sim {

struct Span {
  Duration from{0}, until{0};
};

class Timeline {
 public:
  explicit Timeline(std::vector<std::int64_t> initial);
  static Timeline of(std::vector<std::int64_t> initial, const Schedule& schedule);

  /// From `at` on, until the next step that is there.
  void set(std::size_t variant, Duration at, std::int64_t replicas);
  /// Within the span `change` more.
  void add(std::size_t variant, Span span, std::int64_t change);
  /// Within the span no count is out of the bounds.
  void clamp(std::size_t variant, Span span, plan::BoundsInForce bounds);

  /// What a cluster with the initial fleet is to be told.
  Schedule schedule() const;
  /// Replica-seconds ordered until `end`, each variant's weighed.
  double weight(const std::vector<double>& weights, Duration end) const;
  std::size_t variants() const { return steps_.size(); }
  bool operator==(const Timeline&) const = default;
  /// For sets of those that were tried.
  std::uint64_t hash() const;

 private:
  struct Step {
    Duration at{0};
    std::int64_t replicas = 0;
    bool operator==(const Step&) const = default;
  };
  /// The index of the step that begins at `at`, made if there is none.
  static std::size_t split(std::vector<Step>& steps, Duration at);
  /// Its steps within the span become what `value` makes of them.
  template <class Value>
  void change(std::size_t variant, Span span, Value value);
  static void join(std::vector<Step>& steps);

  std::vector<std::int64_t> initial_;
  std::vector<std::vector<Step>> steps_;  ///< a variant's, by time; the first at 0
};

}  // namespace tidegate::sim
