#pragma once
// KeyChain: the keys of one identity, kept fresh. Found once (keys.h), fetched where they must be
// (web identity and roles from STS, container agent, instance role), and fetched again
// kBeforeExpiry before they end or once AWS refuses them.
//
//   KeyChain chain(loop, curl, http, wish, environment);
//   chain.get([](const Result<Keys>& keys) { ... });   // at once where they are known
//
// One fetch runs at a time; all who wait are told. Keys that still live serve while a fetch fails,
// and nothing is fetched within kPause of a failure. Wall time. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "live/aws/keys.h"
#include "live/aws/metadata.h"
#include "live/aws/query.h"
#include "live/net/curl/curl_client.h"

namespace tidegate::live::aws {

class KeyChain {
 public:
  static constexpr Duration kBeforeExpiry = seconds(300);
  static constexpr Duration kPause = seconds(10);
  static constexpr Duration kTimeout = seconds(10);  ///< of one answer of STS
  static constexpr std::size_t kMaxAnswer = 64 << 10;
  using Told = std::function<void(const Result<Keys>&)>;

  KeyChain(net::Loop& loop, net::CurlClient& curl, net::HttpClient& http, Wish wish,
           Environment environment);
  void get(Told told);
  /// AWS did not take these keys. False: no fresher ones can be had.
  bool refused(const Keys& used);

 private:
  bool lasts(Duration longer) const;
  void fetch();
  void from_sts(const std::string& action, const Params& params, const Keys* by);
  void from_agent(const ContainerAgent& agent);
  void from_instance();
  void read_json(const Result<net::Response>& answer, const std::string& what);
  void fetched(Result<Keys> keys);

  net::Loop& loop_;
  net::CurlClient& curl_;
  net::HttpClient& http_;
  Wish wish_;
  Environment environment_;
  std::optional<Source> source_;
  std::unique_ptr<Metadata> metadata_;
  std::optional<Keys> known_;
  Instant failed_at_ = Instant::never();
  std::string failure_;
  bool fetching_ = false;
  std::vector<Told> waiting_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::aws
