#pragma once
// The sets that Models want: coldStart.weights.source of each variant, once each.
//
//   keeper.want("cluster", sets_of(models, SourceRule::kPublic, say));
//
// Who may write Models must not make a node read its own files or plain http inside the network:
// under kPublic only hf:// and https:// count. `refused` is told the rest. Thread-safety:
// functions.

#include <functional>
#include <string>
#include <vector>

#include "core/spec/model.h"
#include "live/weights/wanted.h"

namespace tidegate::live::weights {

enum class SourceRule : std::uint8_t { kPublic, kAny };

std::vector<WantedSet> sets_of(
    const std::vector<const spec::Model*>& models, SourceRule rule,
    const std::function<void(const std::string& model, const std::string& why)>& refused);

}  // namespace tidegate::live::weights
