#pragma once
// The leader's word: of several Tidegates behind one Service only the one that leads has numbers,
// so a follower asks it and passes on what it says.
//
//   LeaderDesk desk(client, {.ours = ..., .leader = ...});
//   if (!desk.ours()) return desk.pass_on(exchange);     // caller and right are checked already
//
// The follower has asked the cluster who calls and whether he may; to the leader it shows its own
// credentials, those it has for the API server, which need the same right (list). Nothing is kept:
// no leader known, none reached within kPatience, or one that refuses us is 503, never an older
// number. Asked by another follower we do not pass on again. Bounds: kMaxAsking at a time (beyond:
// 429), kMaxAnswer bytes. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "live/external_metrics/documents.h"
#include "live/kube/client.h"
#include "live/kube/credentials.h"
#include "live/net/curl/curl_client.h"
#include "live/net/http_server.h"

namespace tidegate::live::external_metrics {

/// Where the leader answers.
struct Leader {
  net::Address address;
  std::string certificate_pem;  ///< the one it shows, or its CA
  std::string server_name;      ///< that its certificate stands for
};

struct Leadership {
  std::function<bool()> ours = [] { return true; };
  /// While one is known to lead.
  std::function<std::optional<Leader>()> leader = [] { return std::nullopt; };
};

class LeaderDesk {
 public:
  static constexpr Duration kPatience = seconds(5);  ///< an API server waits longer
  static constexpr std::size_t kMaxAsking = 64;
  static constexpr std::size_t kMaxAnswer = 8 << 20;
  /// Says that it is a follower who asks.
  static constexpr const char* kPassedOn = "X-Tidegate-Passed-On";

  LeaderDesk(const std::shared_ptr<kube::KubeClient>& client, Leadership leadership);
  bool ours() const { return leadership_.ours(); }
  void pass_on(const net::ExchangePtr& exchange);

 private:
  void ask(const net::ExchangePtr& exchange, const Leader& leader, const kube::Credential& own);
  void answered(const net::ExchangePtr& exchange, const Leader& leader,
                const kube::Credential& shown, const Result<net::Response>& answer);

  net::Tls own_certificate_;  ///< where that is how we are known
  Leadership leadership_;
  kube::Credentials credentials_;
  net::CurlClient curl_;
  std::size_t asking_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

/// One way to answer, here and in server.cc.
void answer_json(const net::ExchangePtr& exchange, int code, const std::string& body);
void answer(const net::ExchangePtr& exchange, const Status& status);

}  // namespace tidegate::live::external_metrics
