#pragma once
// Demand where no gateway counts it: what engines say. Internal to core/policy.
//
// What came is what ended and by how much more is there: the requests that end, from the engines'
// counters, and the growth of those running and waiting (in the engines, and in the queue of
// another front). A fall that no end explains is owed by what comes next, for as long as rates look
// back; a replica more or fewer starts the count of those there afresh. Engines that count no ends
// but say how full their KV is: a sequence holds its prompt and half of its output, so many tokens
// a second are so many ends. One that says neither, or counts no tokens: nothing is known of what
// comes. Requests, tokens, seconds. Thread-safety: functions.

#include <vector>

#include "core/policy/laws.h"
#include "core/policy/tide_state.h"

namespace tidegate::policy {

/// What came since the last reading.
struct Arrived {
  double requests = 0;        ///< that came
  double prompt_tokens = 0;   ///< of `counted` requests
  double output_tokens = 0;   ///< of the same
  double kv_token_steps = 0;  ///< of the same; 0: not known
  double counted = 0;
};

/// Every replica is heard, of all that is needed.
bool engines_known(const Input& in);

/// How much of what demand rests on is heard: shares, in the evidence of a hold.
std::vector<Evidence> what_is_heard(const Input& in);

/// Begins to count from what is there.
void begin_with_engines(const Input& in, TideState& state);

/// `elapsed` seconds after the last reading. Where engines_known() only.
Arrived from_engines(const Input& in, double elapsed, TideState& state);

}  // namespace tidegate::policy
