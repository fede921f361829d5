#pragma once
// Emulator: one vLLM look-alike on a Loop: core/engine behind vLLM's HTTP API, for whoever has no
// GPU.
//
//   Emulator engine(*loop, options, [&](int code) { loop->stop(); });
//   engine.start().value();
//   loop->run_until([&] { return engine.ready(); }, seconds(5));
//   fetch(engine.address(), "/v1/models");
//
// The port is bound only when the cold start is over, as vLLM does, so a connection refused means
// "not yet". shutdown() is SIGTERM: new requests are refused, running ones are cut off at once, or
// after shutdown_timeout at the latest; then `on_exit` is told the exit code, from the loop, once.
// Faults that end a process do the same. World time is wall time times options.time_scale, counted
// from construction. Thread-safety: the loop's thread. Source: vLLM's
// entrypoints/openai/api_server.py (behaviour).

#include <functional>
#include <memory>

#include "core/engine/engine.h"
#include "live/emulator/options.h"
#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::live {

class Emulator {
 public:
  /// Exit code of the crash fault: what a shell reports for a segmentation fault.
  static constexpr int kCrashCode = 139;

  Emulator(net::Loop& loop, EmulatorOptions options, std::function<void(int)> on_exit);
  ~Emulator();
  /// Checks the options and begins the cold start; without one the port is bound on return.
  Result<void> start();
  bool ready() const;
  /// Where it listens; port 0 until ready().
  net::Address address() const;
  void shutdown();
  engine::Stats stats();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tidegate::live
