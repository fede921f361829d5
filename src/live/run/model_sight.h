#pragma once
// A ModelRun as its status on a cluster shows it. Thread-safety: the loop's thread.

#include "live/operator/model_status.h"
#include "live/run/model_run.h"

namespace tidegate::live {

ModelSight sight_of(const ModelRun& run, Instant now);

}  // namespace tidegate::live
