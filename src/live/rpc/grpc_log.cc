#include "live/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include <functional>
#include <mutex>
#include <string_view>

#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::live::rpc {
namespace {

void line(gpr_log_func_args* args) {
  // Nothing with a destructor: gRPC's threads may speak after main() has ended.
  static std::mutex mutex;  // over both
  static std::size_t told = 0;
  static Instant at;
  const bool error = args->severity == GPR_LOG_SEVERITY_ERROR;
  if (error) {
    const std::lock_guard lock(mutex);
    const Instant now = net::WorldClock::mono_now();
    const std::size_t words = std::hash<std::string_view>{}(args->message);
    if (told == words && now - at < kTellAgain) return;
    told = words;
    at = now;
  }
  net::log(error ? net::Level::kWarn : net::Level::kDebug, "grpc", {{"detail", args->message}});
}

}  // namespace

void log_grpc_with_ours() { gpr_set_log_function(line); }

}  // namespace tidegate::live::rpc
