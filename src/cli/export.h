#pragma once
// `tidegate export KIND`: one Model as manifests of another ecosystem, played in the simulator
// first.
//
//   tidegate export hpa -f model.yaml --trace azure.csv
//   tidegate export keda -f model.yaml --follow --out manifests
//
// Files go to stdout, or into --out. With --diff nothing is written: what would change in --out is
// shown. Exit codes: 0 the same, or written; 1 the spec or the trace is at fault; 2 usage; 3 --diff
// would change something.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidegate::cli {

struct ExportFlags {
  std::string kind;
  std::string spec;                 // -f FILE; grafana, rules and prometheusrule need none
  std::string model;                // --model NAME: where the file has several
  std::vector<std::string> traces;  // --trace FILE...; default: a made day
  std::string until;                // --until DURATION: of each trace
  double scale = 1;                 // --scale X: of each trace's rate
  std::uint64_t seed = 1;
  bool follow = false, active = false, diff = false, no_simulation = false;
  std::string out;
  std::string kubernetes = "1.35";  // of the server: whether HPA has a tolerance
  std::string prometheus, scaler, engine_image;
};

int export_manifests(const ExportFlags& flags);

}  // namespace tidegate::cli
