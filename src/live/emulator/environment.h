#pragma once
// What an emulated engine reads from its environment, before its flags (which win).
//
//   apply_environment(options, [](const char* name) { return std::getenv(name); });
//
// TIDEGATE_ENGINE_MODEL, _PROFILE, _MAX_NUM_SEQS, _COLD_START, _TIME_SCALE, _SEED are what
// `tidegate run` tells the engines it starts; VLLM_SERVER_DEV_MODE and
// VLLM_ALLOW_RUNTIME_LORA_UPDATING are vLLM's own. Empty means not set. Pure but for `lookup` and
// the profile file it may name.

#include <functional>

#include "live/emulator/options.h"

namespace tidegate::live {

using EnvironmentLookup = std::function<const char*(const char* name)>;

/// An error names the variable and what it must be.
Result<void> apply_environment(EmulatorOptions& options, const EnvironmentLookup& lookup);

/// Sets profile and what follows from it; looks where format/spec_yaml.h says.
Result<void> apply_profile(EmulatorOptions& options, const std::string& name);

}  // namespace tidegate::live
