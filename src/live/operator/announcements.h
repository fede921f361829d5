#pragma once
// What a controller announces, in the words of a Kubernetes Event: token as reason, numbers in the
// note, Warning where something is not as it should be. Pure.
//
//   if (auto words = event_words(announce)) { words->regarding = model; events.tell(*words); }

#include <optional>

#include "core/control/events.h"
#include "live/kube/event_writer.h"

namespace tidegate::live {

/// Nothing for what is no news to people: each replica found running at a start.
std::optional<kube::EventWords> event_words(const control::Announce& announce);

}  // namespace tidegate::live
