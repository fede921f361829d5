#pragma once
// The gateway's own answers: OpenAI error bodies, one status and sentence an outcome, SSE error
// events. Pure functions; thread-safe.

#include <string>
#include <string_view>

#include "core/route/router.h"
#include "live/net/http.h"
#include "live/net/http_server.h"

namespace tidegate::live {

inline constexpr std::string_view kOutcomeHeader = "x-tidegate-outcome";
inline constexpr std::string_view kReplicaHeader = "x-tidegate-replica";
inline constexpr std::string_view kRequestIdHeader = "x-request-id";

/// An error that a client brought about itself.
struct ClientFault {
  int status = 400;
  std::string message;
  std::string param;  ///< the field at fault; empty: none
  std::string code;   ///< OpenAI's code; empty: none
};
void answer_fault(net::Exchange& exchange, const ClientFault& fault, std::string_view request_id);

/// The error JSON of an outcome that is not the engine's own.
std::string outcome_json(route::Outcome outcome);
/// `retry_after` in wall time; zero: no header.
void answer_outcome(net::Exchange& exchange, route::Outcome outcome, Duration retry_after,
                    std::string_view request_id);
/// An in-band error event of a stream that has begun.
std::string error_event(std::string_view json);

}  // namespace tidegate::live
