#pragma once
// From a variant's target to its actuator.

#include <memory>

#include "live/actuate/actuator.h"
#include "live/run/model_run.h"

namespace tidegate::live {

/// An error says what the target lacks, or that this build cannot drive it yet.
Result<std::unique_ptr<Actuator>> make_actuator(const RunParts& parts, const spec::Model& model,
                                                const spec::Variant& variant, ActuatorSink sink);

}  // namespace tidegate::live
