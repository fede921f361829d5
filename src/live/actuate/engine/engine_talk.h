#pragma once
// EngineTalk: what an actuator says to an engine beside requests: sleep, wake up, whether it
// sleeps, what it holds.
//
//   pod.talk = EngineTalk::sleep(client, address, 1, [](const std::string& problem) { ... });
//   pod.talk.reset();                       // not heard of any more; the engine may do it still
//
// Each is answered once, never from inside the call that began it; `problem` is empty where all
// went well. Who is answered may destroy the talk, or begin another in its place. After level 2 the
// weights were dropped: waking gets memory for them, the weights, memory for the cache, in that
// order; that is right after level 1 too, only slower. Waking twice does no harm.
//
// Time-outs are wall time. Thread-safety: the loop's thread. Source: vLLM docs, "Sleep Mode" (the
// routes need --enable-sleep-mode and VLLM_SERVER_DEV_MODE=1; /health is 200 in both states).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "live/net/http_client.h"

namespace tidegate::live {

class EngineTalk {
 public:
  using Done = std::function<void(const std::string& problem)>;
  template <class T>
  using Told = std::function<void(const Result<T>&)>;
  using Ptr = std::unique_ptr<EngineTalk>;

  static constexpr Duration kMoveTimeout = seconds(120);  ///< weights move between host and device
  static constexpr Duration kAskTimeout = seconds(10);
  static constexpr std::size_t kMaxAnswer = 4 << 20;  ///< a metrics page of many adapters

  static Ptr sleep(net::HttpClient& client, const net::Address& address, int level, Done done);
  static Ptr wake(net::HttpClient& client, const net::Address& address, int level, Done done);
  /// An engine without the route cannot sleep, so it does not.
  static Ptr ask_whether_asleep(net::HttpClient& client, const net::Address& address,
                                Duration timeout, Told<bool> told);
  /// Requests that run and wait in it, whoever sent them; an error where its metrics do not say.
  static Ptr ask_requests(net::HttpClient& client, const net::Address& address,
                          Told<std::int64_t> told);
  ~EngineTalk();
  EngineTalk(const EngineTalk&) = delete;
  EngineTalk& operator=(const EngineTalk&) = delete;

 private:
  struct Step {
    std::string method, path, body;
  };
  using Answered = std::function<void(Result<net::Response>)>;
  EngineTalk(net::HttpClient& client, net::Address address)
      : client_(client), address_(std::move(address)) {}
  void say(const Step& step, Duration timeout, Answered answered);
  void steps(std::vector<Step> left, Done done);

  net::HttpClient& client_;
  net::Address address_;
  net::HttpClient::CallId call_ = net::HttpClient::CallId::kNone;
};

}  // namespace tidegate::live
