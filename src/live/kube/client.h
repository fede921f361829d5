#pragma once
// KubeClient: calls and watches of one API server, on the Loop, never blocking it.
//
//   KubeClient client(loop, access);
//   client.call(get(deployments, "m-8b", "scale"), [](ApiResult<json> answer) { ... });
//   auto id = client.watch(watch(pods, "app=m-8b", "9001", seconds(300)),
//                          {.on_event = ..., .on_end = ...});
//
// Each call is answered once, never from inside; not after cancel() or the client's death. 429 and
// 5xx with Retry-After are asked again after that long, at most kMaxRetries times; a 401 once, with
// credentials read afresh. Anything else is the caller's to repeat. At most kMaxCalls are with the
// server at once, the others wait in order: a thousand targets that ask together would be refused
// (its Priority and Fairness holds a few hundred of one account) and cost a connection each. Urgent
// calls and watches do not wait. A watch ends once: without an
// error where the server closed it whole, with one otherwise (410: list again). What lists and
// watches tell lacks metadata.managedFields. Wall time.
// Thread-safety: the loop's thread. Source: client-go's rest.Request.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "live/kube/access.h"
#include "live/kube/api.h"
#include "live/kube/credentials.h"
#include "live/kube/outages.h"
#include "live/net/curl/curl_client.h"

namespace tidegate::live::kube {

struct WatchHandler {
  std::function<void()> on_open;  ///< the server took it; optional
  /// "ADDED", "MODIFIED", "DELETED", "BOOKMARK".
  std::function<void(const std::string& type, const nlohmann::json& object)> on_event;
  std::function<void(std::optional<ApiError> error)> on_end;
};

class KubeClient {
 public:
  enum class CallId : std::uint64_t { kNone = 0 };
  using Answered = std::function<void(ApiResult<nlohmann::json>)>;
  static constexpr int kMaxRetries = 10;
  static constexpr int kMaxCalls = 32;
  static constexpr Duration kLongestRetryAfter = seconds(60);
  static constexpr std::size_t kMaxResponse = 512u << 20;  ///< an unpaged list of 10,000 pods
  static constexpr std::size_t kMaxWatchLine = 8u << 20;   ///< etcd's objects end at 1.5 MiB

  KubeClient(net::Loop& loop, Access access, std::string user_agent = "tidegate");
  ~KubeClient();
  KubeClient(const KubeClient&) = delete;
  KubeClient& operator=(const KubeClient&) = delete;

  CallId call(ApiCall call, Answered answered);
  CallId watch(ApiCall call, WatchHandler handler);
  void cancel(CallId id);
  const Access& access() const { return access_; }
  net::Loop& loop() { return loop_; }
  Outages& outages() { return outages_; }  ///< of this server, as its followers see them

 private:
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  CallId launch(FlightPtr flight);
  void enter(const FlightPtr& flight);
  void leave(const FlightPtr& flight);
  void attempt(const FlightPtr& flight);
  void send(const FlightPtr& flight, const Credential& credential);
  void lines(const FlightPtr& flight, std::string_view bytes);
  bool line(const FlightPtr& flight, std::string_view text);
  void ended(const FlightPtr& flight);
  void failed(const FlightPtr& flight, ApiError error);
  bool again(const FlightPtr& flight, const ApiError& error);
  void finish(const FlightPtr& flight, ApiResult<nlohmann::json> result);
  bool open(const FlightPtr& flight) const;

  net::Loop& loop_;
  Access access_;
  std::string user_agent_;
  Outages outages_;
  net::CurlClient curl_;
  Credentials credentials_;
  std::map<CallId, FlightPtr> flights_;
  std::deque<CallId> waiting_;  ///< those cancelled meanwhile are passed over
  int entered_ = 0;
  std::uint64_t next_ = 1;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::kube
