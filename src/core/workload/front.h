#pragma once
// Front: what stands between clients and engines, as the spec names it. Of a proxy the simulator
// has a plain one: least requests, no queue (503 where nothing is ready), engines queue.

#include "core/spec/front.h"

namespace tidegate::workload {
using spec::Front;
}
