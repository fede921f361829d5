#pragma once
// Admin: the operator's HTTP API, /metrics, probes and dashboard, on loopback unless told
// otherwise.
//
//   AdminServer admin(loop, api, {.token = token});
//   Address bound = admin.listen({"127.0.0.1", 8081}).value();
//
//   GET  /api/v1/status                       everything `tidegate status` shows
//   GET  /api/v1/models/M/decisions?limit=&until=RFC3339   newest first, as journalled
//   POST /api/v1/models/M/scale   {"variant": V, "replicas": N}
//   POST /api/v1/models/M/pause   {}
//   POST /api/v1/models/M/resume  {"for": "2h"}            "for" is optional
//   GET  /healthz /readyz /metrics            without a token
//   GET  /                                    the dashboard
//
// Errors are {"error": {"message": ...}}. With a token every /api call needs `Authorization:
// Bearer`; off loopback a token is a must (listen refuses without). A POST must be application/json
// and a request's Host must be an address or localhost, so that a web page elsewhere cannot speak
// for the operator. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/control/controller.h"
#include "live/net/http_server.h"

namespace tidegate::live {

/// What the API asks of the run. All calls come on the loop's thread.
struct AdminApi {
  std::function<std::string()> status_json;
  std::function<std::string()> metrics_text;
  std::function<bool()> ready;
  std::function<std::string()> ready_detail = {};  ///< a line beneath "ok"; or none
  std::function<Result<std::string>(const std::string& model, std::size_t limit,
                                    std::optional<WallTime> until)>
      decisions_json;
  std::function<Result<void>(const std::string& model, const control::OperatorSaid& said)> say;
};

struct AdminOptions {
  std::string token;  ///< empty: none asked
};

class AdminServer {
 public:
  AdminServer(net::Loop& loop, AdminApi api, AdminOptions options);
  ~AdminServer();
  Result<net::Address> listen(const net::Address& address);
  /// /healthz, /readyz and /metrics alone, on an address of their own.
  Result<net::Address> listen_probes(const net::Address& address);
  void drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// True for 127.0.0.0/8, ::1 and localhost.
bool is_loopback(const std::string& host);
/// RFC 3339 with a zone ("2026-11-22T06:30:00Z", fractions allowed), or seconds since 1970.
Result<WallTime> parse_wall_time(std::string_view text);
std::string format_wall_time(WallTime t);

}  // namespace tidegate::live
