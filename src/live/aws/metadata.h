#pragma once
// Metadata: what an EC2 instance knows of itself, by IMDSv2: a token is fetched first (PUT), kept
// for its six hours, and asked for again shortly before or after a 401.
//
//   Metadata metadata(loop, client, Metadata::address(environment).value());
//   metadata.get("/latest/meta-data/spot/instance-action", [](Result<net::Response> r) { ... });
//
// Never through a proxy. A 404 is an answer. An error says why nobody may have answered: no
// instance, or a container behind a hop limit of 1. Wall time. Thread-safety: the loop's thread.
// Source: Amazon EC2 User Guide, "Use IMDSv2".

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "live/kube/access.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"

namespace tidegate::live::aws {

class Metadata {
 public:
  static constexpr Duration kTokenLasts = seconds(21'600);
  static constexpr Duration kTokenRenewedBefore = seconds(60);
  static constexpr Duration kConnectTimeout = seconds(1);  ///< link-local: near or not there
  static constexpr Duration kTimeout = seconds(2);
  using Told = std::function<void(Result<net::Response>)>;

  /// 169.254.169.254:80, or AWS_EC2_METADATA_SERVICE_ENDPOINT.
  static Result<net::Address> address(const kube::Environment& environment);

  Metadata(net::Loop& loop, net::HttpClient& client, net::Address address)
      : loop_(loop), client_(client), address_(std::move(address)) {}
  void get(const std::string& path, Told told);

 private:
  void with_token(const std::function<void(const Result<std::string>&)>& then);
  void ask(const std::string& path, const std::string& token, Told told, int attempts_left);

  net::Loop& loop_;
  net::HttpClient& client_;
  net::Address address_;
  std::string token_;
  Instant token_until_;
  std::vector<std::function<void(const Result<std::string>&)>> waiting_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::aws
