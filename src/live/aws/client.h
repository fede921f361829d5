#pragma once
// Client: calls of AWS services in one region by one identity, on the Loop, never blocking it.
//
//   Client client(loop, http, {.profile = "", .region = "eu-central-1"}, environment);
//   client.call(kAutoScaling, "SetDesiredCapacity", {{"DesiredCapacity", "4"}, ...},
//               [](Answer answer) { ... });
//
// Each call is answered once, never from inside; not after the client's death. What was throttled,
// or met a passing failure of the service, is asked again after a random share of a pause that
// doubles, at most kMaxAttempts times in all; with keys that AWS calls expired once more with fresh
// ones. An answer that never came is the caller's: what was asked may have been done. Signed by
// libcurl. Wall time. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/base/rng.h"
#include "live/aws/key_chain.h"
#include "live/aws/query.h"

namespace tidegate::live::aws {

struct Service {
  const char* name;  ///< in signatures and host names
  const char* version;
};
inline constexpr Service kAutoScaling{"autoscaling", "2011-01-01"};
inline constexpr Service kEc2{"ec2", "2016-11-15"};
inline constexpr Service kCloudWatch{"monitoring", "2010-08-01"};

struct ClientOptions {
  Duration first_pause = millis(500);  ///< doubled, at most kLongestPause
  Duration timeout = seconds(30);      ///< of one answer
  std::uint64_t seed = 1;
};

class Client {
 public:
  static constexpr int kMaxAttempts = 6;
  static constexpr Duration kLongestPause = seconds(20);
  static constexpr std::size_t kMaxAnswer = 16u << 20;  ///< a group of thousands
  using Answered = std::function<void(Answer)>;

  Client(net::Loop& loop, net::HttpClient& http, Wish wish, Environment environment,
         ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void call(const Service& service, const std::string& action, Params params, Answered answered);
  const Wish& wish() const { return wish_; }
  net::Loop& loop() { return loop_; }

 private:
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  void attempt(const FlightPtr& flight);
  void send(const FlightPtr& flight, const Keys& keys);
  void failed(const FlightPtr& flight, AwsError error);
  void finish(const FlightPtr& flight, Answer answer);

  net::Loop& loop_;
  Wish wish_;
  Environment environment_;
  ClientOptions options_;
  net::CurlClient curl_;
  KeyChain chain_;
  Rng chance_;
  std::map<std::uint64_t, FlightPtr> flights_;
  std::uint64_t next_ = 1;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

/// One client for each identity and region, shared by all who call there; it lives as long as
/// somebody holds it.
class Accounts {
 public:
  Accounts(net::Loop& loop, net::HttpClient& http,
           Environment environment = kube::process_environment(), ClientOptions options = {})
      : loop_(loop), http_(http), environment_(std::move(environment)), options_(options) {}
  /// An error says what the credentials lack; nothing is called yet.
  Result<std::shared_ptr<Client>> client(const Wish& wish);

 private:
  net::Loop& loop_;
  net::HttpClient& http_;
  Environment environment_;
  ClientOptions options_;
  std::map<Wish, std::weak_ptr<Client>> clients_;
};

}  // namespace tidegate::live::aws
