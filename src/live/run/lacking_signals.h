#pragma once
// Which signals the pages of a variant's engines do not give, for people: what rests on them is
// unknown, and unknown is not zero. An engine that serves no page at all looks idle to whoever
// reads the numbers alone.
//
//   lacking_signals(seen)   // {"kv_usage", "preemptions"} of a TGI, which has neither
//   if (unread(seen)) print(metrics_hint(variant.engine.type));
//
// Sources: each engine's own documentation of its metrics. Thread-safety: pure.

#include <string>
#include <string_view>
#include <vector>

#include "core/signal/observation.h"
#include "core/signal/replica_signals.h"
#include "core/spec/model.h"

namespace tidegate::live {

/// Rates need two pages: where none is known yet, none lacks. Empty without a ready replica.
std::vector<std::string_view> lacking_signals(const signal::VariantObservation& seen);
/// Replicas are ready, and no page of theirs says anything.
bool unread(const signal::VariantObservation& seen);
/// What of a replica's page is not believed (core/signal/plausible.h): "kv_usage is 85, not a share
/// from 0 to 1"; empty: nothing.
std::string not_believed(const signal::ReplicaSignals& page);
/// How such an engine is told to serve its metrics, and where we ask for them.
std::string_view metrics_hint(spec::EngineType engine);

}  // namespace tidegate::live
