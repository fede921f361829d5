#pragma once
// `tidegate simulate`: traffic against autoscaling policies in a virtual world, in seconds.
//
//   tidegate simulate -f model.yaml --trace azure.csv --policy concurrency,hpa,oracle:0.99
//   tidegate simulate -f scenarios/flash-crowd-10x.yaml --report out.html
//
// Results go to stdout, the progress line (on a tty), the seed (with --format json) and warnings to
// stderr. Files are written whole or not at all. Exit codes: 0 simulated, 1 the spec, the trace or
// a policy is at fault, 2 usage.

#include <cstdint>
#include <string>

#include "cli/sim_input.h"
#include "sim/report/files.h"

namespace tidegate::cli {

struct SimulateFlags {
  SimInputFlags input;
  sim::FilesAsked files;  // --requests, --decisions, --chrome-trace, --report FILE
  std::int64_t oracle_budget = sim::OracleOptions::kBudget;  // --oracle-budget N: requests
  std::string command;                                       // as typed, for the report
  std::string format = "table";                              // --format table|json
};

int simulate(const SimulateFlags& flags);

}  // namespace tidegate::cli
