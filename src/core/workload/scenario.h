#pragma once
// Scenario: who asks for what and when, what goes wrong, and the models it happens to, side by
// side (`kind: Scenario`, scenarios/*.yaml, docs/scenarios.md).
//
//   Scenario s{.name = "flash-crowd", .duration = seconds(3'600), .parts = {...}, .models = {...}};
//   for (const spec::Finding& f : validate(s)) print(f.path, f.message);
//   Generator requests(s.made(), static_cast<std::uint64_t>(s.seed));   // unless s.trace
//
// The keys of the file are the rows of scenario_section(), as core/spec/options.h has them for a
// Model. Plain values; text is read by format/scenario.h. Thread-safety: values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/fields.h"
#include "core/base/time.h"
#include "core/spec/model.h"
#include "core/spec/options.h"
#include "core/spec/validate.h"
#include "core/workload/faults.h"
#include "core/workload/front.h"
#include "core/workload/parts.h"

namespace tidegate::workload {

/// Requests read from a file instead of made; the fields mean what format::TraceOptions says.
struct TraceSource {
  std::string path;  ///< from the scenario's own folder
  std::string lengths;
  double scale = 1;
  double speedup = 1;
  Duration from{0};
  Duration until = Duration::max();
  bool operator==(const TraceSource&) const = default;
};

struct Scenario {
  std::string name;
  std::string title;  ///< what it shows, in one sentence
  Duration duration{0};
  std::int64_t seed = 1;
  Front front = Front::kGateway;
  std::vector<std::string> policies;  ///< as after --policy; empty: the models' own
  std::optional<TraceSource> trace;   ///< or
  std::vector<Part> parts;
  Faults faults;
  std::vector<spec::Model> models;  ///< at least one
  bool operator==(const Scenario&) const = default;

  /// The parts with what they need to know of the models.
  Workload made() const;
};

/// The keys under `spec:` of a Scenario; an owner is a Scenario.
const spec::Section& scenario_section();
/// Contradictions between values, with the paths of a file ("spec.workload.parts[0].cv").
std::vector<spec::Finding> validate(const Scenario& scenario);

}  // namespace tidegate::workload
