#include "cli/calibrate.h"

#include "cli/admin_client.h"
#include "cli/calibrate_run.h"

namespace tidegate::cli {

int calibrate(const CalibrateFlags& flags) {
  constexpr int kUsage = 2;
  if (flags.run.empty() == flags.grid.empty()) {
    report({"give one of --run DIR and --grid FILE.csv"});
    return kUsage;
  }
  if (flags.run.empty() && (flags.fit_first > 0 || !flags.report.empty())) {
    report({"--fit-first and --report belong to --run"});
    return kUsage;
  }
  return flags.run.empty() ? calibrate_grid(flags) : calibrate_run(flags);
}

}  // namespace tidegate::cli
