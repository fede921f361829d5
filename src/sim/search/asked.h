#pragma once
// What is asked of a simulation: a model under a policy, and the requests it serves.
//
//   OpenStream own = requests_of(open, model);
//   spec::Model played = under_policy(model, {spec::PolicyKind::kKeda, 5});
//
// Thread-safety: functions; the streams have one owner each.

#include <string>

#include "core/spec/model.h"
#include "core/spec/options.h"
#include "sim/search/arrivals.h"

namespace tidegate::sim {

/// Does the gateway of this model take a request of this name?
bool serves(const spec::Model& model, const std::string& name);
/// Those of `open` that name the model, one of its adapters, or nobody.
OpenStream requests_of(OpenStream open, const spec::Model& model);
/// What the policy would do, whatever the spec's owner has it do now: mode, pause and target are
/// set aside.
spec::Model under_policy(spec::Model model, const spec::PolicyChoice& choice);

}  // namespace tidegate::sim
