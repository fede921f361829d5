#include "cli/calibrate.h"

#include "cli/admin_client.h"
#include "cli/calibrate_run.h"
#include "cli/calibrate_url.h"
#include "cli/text_file.h"

namespace tidegate::cli {

int calibrate(const CalibrateFlags& flags) {
  constexpr int kUsage = 2;
  if (int(!flags.run.empty()) + int(!flags.grid.empty()) + int(!flags.url.empty()) != 1) {
    report({"give one of --run DIR, --grid FILE.csv and --url URL"});
    return kUsage;
  }
  if (flags.run.empty() && flags.fit_first > 0) {
    report({"--fit-first belongs to --run"});
    return kUsage;
  }
  if (!flags.grid.empty() && !flags.report.empty()) {
    report({"--report belongs to --run and --url"});
    return kUsage;
  }
  for (const std::string& path : {flags.out, flags.report}) {
    if (auto able = check_writable(path); !able) return report(able.error());
  }
  if (!flags.url.empty()) return calibrate_url(flags);
  return flags.run.empty() ? calibrate_grid(flags) : calibrate_run(flags);
}

}  // namespace tidegate::cli
