#pragma once
// What no engine can mean: counts below zero or beyond all that a machine holds, shares over one
// (a percentage written where a share belongs), rates that no device reaches. Such a value is not
// believed: the signal is absent, the coverage of its aggregate less than whole, and nothing is
// lowered on it. ReplicaMeter asks; `tidegate status` names what it did not believe.
// Requests, tokens, bytes, shares. Thread-safety: functions.

#include "core/signal/signal_id.h"

namespace tidegate::signal {

/// Of a gauge or a counter's total. A number that is not finite is not plausible.
bool plausible(SignalId id, double value);

/// Of a counter, a second.
bool plausible_rate(double per_second);

/// What a value of this kind may be, for people: "0 to 1".
const char* plausible_range(SignalId id);

}  // namespace tidegate::signal
