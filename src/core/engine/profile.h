#pragma once
// Profile, as the engine model calls it: the value is part of what a variant declares.

#include "core/spec/profile.h"

namespace tidegate::engine {

using Profile = spec::Profile;

}  // namespace tidegate::engine
