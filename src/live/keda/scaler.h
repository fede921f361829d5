#pragma once
// Scaler: KEDA's external scaler (gRPC), so that a ScaledObject follows what Tidegate decides.
//
//   NumberBoard board;                                   // the loop publishes into it
//   auto scaler = Scaler::create(board, {.listen = {"0.0.0.0", 8082}}).value();
//   board.publish("m", {{.variant = "h100", .replicas = Replicas(1)}});  // pushed at once
//
// A trigger names the model (metadata `model`, and `variant` where there are several):
//   GetMetricSpec   one metric, target 1; known as soon as the model is, decided or not
//   GetMetrics      the decided replicas (metric.h)
//   IsActive        whether they are more than 0
//   StreamIsActive  the same, pushed: once known, then on each change; ends with the caller
// Without a decision the answer is UNAVAILABLE, never 0: KEDA and HPA then hold. A stream waits.
// Unknown names are NOT_FOUND, missing metadata INVALID_ARGUMENT, a target that Tidegate writes
// itself FAILED_PRECONDITION, one stream too many RESOURCE_EXHAUSTED; each with the fix.
//
// Thread-safety: create, shutdown and the destructor on the loop's thread; gRPC answers on threads
// of its own, from the board alone. Nothing of gRPC shows here.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/base/time.h"
#include "live/keda/number_board.h"
#include "live/net/http.h"
#include "live/rpc/server_tls.h"

namespace tidegate::live::keda {

struct ScalerOptions {
  net::Address listen{"127.0.0.1", 8082};
  rpc::ServerTls tls;              ///< --keda-tls-*
  std::size_t max_streams = 4096;  ///< one a ScaledObject
};

/// Since the start, but `streams`: now.
struct ScalerCounts {
  std::int64_t streams = 0, pushes = 0, calls = 0, refused = 0;
};

class Scaler {
 public:
  static constexpr int kMaxMessageBytes = 64 * 1024;
  static constexpr int kMaxMetadataBytes = 16 * 1024;
  static constexpr std::size_t kMaxMemoryBytes = 256ULL * 1024 * 1024;  ///< of gRPC's buffers
  /// Calls on one connection (KEDA has one for all its ScaledObjects), beside the streams.
  static constexpr int kMaxCallsBesideStreams = 1024;
  /// shutdown() waits this long for callers that do not read.
  static constexpr Duration kShutdownPatience = millis(500);

  /// Error: the address cannot be listened on, a file cannot be read or is no PEM.
  static Result<std::unique_ptr<Scaler>> create(NumberBoard& board, ScalerOptions options);
  ~Scaler();

  net::Address address() const;
  bool tls() const;
  ScalerCounts counts() const;
  /// Ends every stream (OK: callers come back soon) and stops listening. Idempotent.
  void shutdown();
  /// Again, at the same address, after shutdown().
  Result<void> listen();
  bool listening() const;

 private:
  struct State;
  explicit Scaler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::live::keda
