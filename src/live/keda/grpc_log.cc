#include "live/keda/grpc_log.h"

#include <grpc/support/log.h>

#include <mutex>
#include <string>

#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

void line(gpr_log_func_args* args) {
  static std::mutex mutex;  // over both
  static std::string told;
  static Instant at;
  const bool error = args->severity == GPR_LOG_SEVERITY_ERROR;
  if (error) {
    const std::lock_guard lock(mutex);
    const Instant now = net::WorldClock::mono_now();
    if (told == args->message && now - at < kTellAgain) return;
    told = args->message;
    at = now;
  }
  net::log(error ? net::Level::kWarn : net::Level::kDebug, "grpc", {{"detail", args->message}});
}

}  // namespace

void log_grpc_with_ours() { gpr_set_log_function(line); }

}  // namespace tidegate::live
