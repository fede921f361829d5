#include "live/gateway/answers.h"

#include <algorithm>

#include "format/openai.h"

namespace tidegate::live {

using route::Outcome;

namespace {

std::string_view sentence(Outcome outcome) {
  switch (outcome) {
    case Outcome::kQueueFull:
      return "The queue of this model is full. Try again after the time in Retry-After.";
    case Outcome::kQueueBytesFull:
      return "The queue of this model holds as many bytes as it may. Try again after the time in "
             "Retry-After.";
    case Outcome::kDeadlineUnreachable:
      return "The request cannot be started before its deadline. Try again after the time in "
             "Retry-After.";
    case Outcome::kQueueTimeout:
      return "The request waited for a replica until its deadline and none had room.";
    case Outcome::kNoReplica:
      return "No replica of this model runs and none can be started.";
    case Outcome::kUpstreamFailed:
      return "Every replica that was tried failed before it answered.";
    case Outcome::kUpstreamLost:
      return "The replica broke off in the middle of its answer.";
    case Outcome::kClientGone:
      return "The client left.";
    case Outcome::kShuttingDown:
      return "The gateway is shutting down.";
    case Outcome::kCompleted:
      break;
  }
  return "Completed.";
}

net::Headers json_headers(std::string_view request_id) {
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  if (!request_id.empty()) headers.add(std::string(kRequestIdHeader), std::string(request_id));
  return headers;
}

}  // namespace

void answer_fault(net::Exchange& exchange, const ClientFault& fault, std::string_view request_id) {
  net::Headers headers = json_headers(request_id);
  if (fault.status == 401) headers.add("WWW-Authenticate", "Bearer");
  if (fault.status == 405) headers.add("Allow", fault.param);
  exchange.respond(fault.status, headers,
                   format::openai_error_json(fault.message, "invalid_request_error",
                                             fault.status == 405 ? "" : fault.param, fault.code));
}

std::string outcome_json(Outcome outcome) {
  bool too_many = http_status(outcome) == 429;
  return format::openai_error_json(
      sentence(outcome), too_many ? "rate_limit_error" : "server_error", {}, token(outcome));
}

void answer_outcome(net::Exchange& exchange, Outcome outcome, Duration retry_after,
                    std::string_view request_id) {
  net::Headers headers = json_headers(request_id);
  headers.add(std::string(kOutcomeHeader), std::string(token(outcome)));
  if (retry_after > Duration(0)) {
    std::int64_t whole = (retry_after.count() + 999'999'999) / 1'000'000'000;
    headers.add("Retry-After", std::to_string(std::max<std::int64_t>(1, whole)));
  }
  exchange.respond(http_status(outcome), headers, outcome_json(outcome));
}

std::string error_event(std::string_view json) {
  // The blank line ends an event that may have been cut in the middle.
  std::string event = "\n\ndata: ";
  for (char c : json) event += c == '\n' || c == '\r' ? ' ' : c;
  return event += "\n\n";
}

}  // namespace tidegate::live
