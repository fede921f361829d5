#pragma once
// The three quantiles every result of ours shows, under the names they have everywhere.
//
//   out["ttft"] = quantiles_json(score.ttft);   // {"p50": 0.2, "p95": 0.9, "p99": 1.4}
//
// Units: the sketch's (seconds); 0 where it is empty. Thread-safety: function.

#include <nlohmann/json_fwd.hpp>

#include "core/workload/workload.h"

namespace tidegate::format {

nlohmann::ordered_json quantiles_json(const workload::Sketch& sketch);

}  // namespace tidegate::format
