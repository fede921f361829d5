#pragma once
// Waterfall: where the time of a start goes, as text; so that one sees what to attack.
//
//   fmt::print("{}", waterfall_text(status));     // what /api/v1/status answered
//
//   m / emulated  cold: 5 starts                    p50     p90     spec p50/p90
//     weights       ######--                       20.1s   24.0s    20.0s 24.0s
//     engine              ##########               31.0s   31.0s        -
//     ...
//
// One block a variant and state it was started from. A bar begins where the p50 of the stages
// before it end; # is its p50, - goes on to its p90. A stage nobody saw has neither bar nor time;
// what the stages leave of the total stands under "not seen". World seconds. Pure; missing keys are
// unknown.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tidegate::live {

std::string waterfall_text(const nlohmann::ordered_json& status);
/// The same for programs: [{model, variant, coldStarts}].
nlohmann::ordered_json cold_starts_of(const nlohmann::ordered_json& status);

}  // namespace tidegate::live
