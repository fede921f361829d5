#pragma once
// What a Model's status says: of its spec, of what runs, and of what keeps it from more.
//
//   nlohmann::json status = status_of({.generation = 3}, &sight);
//   add_transitions(status, before, now);
//
// Conditions, with reasons from docs/reasons.md where there is one:
//   SpecValid  False (Invalid): refused; the message is check's, the spec before stays in force
//   Ready      as many serve as are wanted; where nothing is applied: anything serves
//   Applied    False (Refused): the target did not take the number
//   Limited    True: more was wanted than a bound, a rate or the capacity lets through
//   Paused     True (Paused, ObserveMode): numbers are decided and not applied
// What is not known is left out. Pure functions.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/reason.h"
#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::live {

struct VariantSight {
  std::string name;
  std::int64_t ready = 0, desired = 0, ordered = 0, sleeping = 0;
  std::string reason;  ///< token
  bool operator==(const VariantSight&) const = default;
};

/// A model that runs, as its status shows it.
struct ModelSight {
  spec::Mode mode = spec::Mode::kAuto;
  bool paused = false;
  std::vector<VariantSight> variants;
  std::optional<std::int64_t> queue_requests;  ///< wherever they wait; none: unknown
  std::string ttft_p99;                        ///< as shown; empty: unknown
  std::vector<Reason> reasons;                 ///< of the last decision, without evidence
  std::string refused;   ///< why the target did not take its number; empty: it did
  std::string short_of;  ///< what there is no capacity for, in the target's words
  bool operator==(const ModelSight&) const = default;
};

/// The spec as seen last.
struct SpecSight {
  std::int64_t generation = 0;
  std::string faults, warnings;
  bool operator==(const SpecSight&) const = default;
};

/// Two digits: "1.2s", "350ms", "12s".
std::string short_duration(double seconds);

/// `sight` is null where nothing runs. Without lastTransitionTime.
nlohmann::json status_of(const SpecSight& spec, const ModelSight* sight);
/// Each condition's lastTransitionTime: that of `before` where its status is the same, else now.
void add_transitions(nlohmann::json& status, const nlohmann::json& before, WallTime now);
/// Without the times, for comparing.
nlohmann::json without_transitions(nlohmann::json status);

}  // namespace tidegate::live
