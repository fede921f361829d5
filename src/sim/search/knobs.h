#pragma once
// Knobs: what of a policy can be tuned, and the values tried.
//
//   std::vector<Knob> knobs = knobs_of(model);      // of the policy the model names
//   Point point = untuned(knobs);
//   point[0] += 1;                                  // one value further
//   spec::Model tuned = with(model, knobs, point);
//
// Each knob has a finite ascending list of values that holds the one in force, so a point is an
// index a knob, and two searches that come to a point come to the same model. Values are in the
// spec's own bounds; those of durations are in seconds. Thread-safety: values.
//
//   knob            policies                                   values
//   policy:N        hpa, targettracking, concurrency, kpa      1 .. what a replica holds, x 2^(1/4)
//                   keda                                       0.25 .. 256, x 2^(1/4)
//                   saturation, planner                        0.3 .. 1, by 0.05
//                   static                                     1 .. the sum of maxReplicas
//   metrics.target  hpa, keda, targettracking where the spec   1/8 .. 8 times what it gives, x 2^(1/4)
//                   has scaling.metrics: the knob is not read
//   window          concurrency, kpa                           10 s .. 10 min
//   scaleDownDelay  all but static                             0 .. 1 h; the stabilization window of
//                                                              behavior.scaleDown where that is given
//   minReplicas     all but static                             the spec's .. maxReplicas, of the variant
//                                                              cheapest per request held
//
// targetUtilization is not among them: only its product with the target counts, which policy:N has.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/model.h"

namespace tidegate::sim {

enum class KnobKind : std::uint8_t {
  kPolicyKnob,
  kMetricTargets,
  kWindow,
  kScaleDownDelay,
  kStabilization,
  kMinReplicas,
};

struct Knob {
  KnobKind kind = KnobKind::kPolicyKnob;
  std::string_view name;       ///< as in the spec
  std::vector<double> values;  ///< ascending
  std::size_t untuned = 0;     ///< index of the value in force
  std::size_t coarse = 4;      ///< every so manyth value is tried first
};

/// An index into the values of each knob.
using Point = std::vector<std::size_t>;

/// Knobs of the model's policy; the main one first.
std::vector<Knob> knobs_of(const spec::Model& model);
Point untuned(const std::vector<Knob>& knobs);
spec::Model with(spec::Model model, const std::vector<Knob>& knobs, const Point& point);
/// "keda:2.38, scaleDownDelay 10m, minReplicas 2".
std::string text(const spec::Model& model, const std::vector<Knob>& knobs, const Point& point);
/// What of `spec:` differs from the model, to paste: scaling, and variants where minReplicas does.
std::string yaml(const spec::Model& model, const std::vector<Knob>& knobs, const Point& point);

}  // namespace tidegate::sim
