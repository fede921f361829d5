#include "format/quantiles.h"

#include <nlohmann/json.hpp>

namespace tidegate::format {

nlohmann::ordered_json quantiles_json(const workload::Sketch& sketch) {
  return {{"p50", sketch.quantile(0.50)},
          {"p95", sketch.quantile(0.95)},
          {"p99", sketch.quantile(0.99)}};
}

}  // namespace tidegate::format
