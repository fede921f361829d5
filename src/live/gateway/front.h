#pragma once
// Front: from an exchange to a request the router can judge: path, key, body, model, headers.
//
// A body is parsed once. What a client got wrong is answered here, as OpenAI would. Internal to
// live/gateway. Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/openai.h"
#include "live/gateway/answers.h"
#include "live/gateway/lane.h"
#include "live/gateway/relay.h"

namespace tidegate::live {

/// "2.5" (seconds), "500ms", "30s", "2m", "1h"; above zero, at most kMaxDeadline.
inline constexpr Duration kMaxDeadline = seconds(24 * 3600);
std::optional<Duration> parse_deadline(std::string_view text);
/// The class index a header names; the header may be empty. Error: a sentence with the names there
/// are.
Result<std::int64_t> parse_priority(std::string_view text, const spec::Model& model);

class Front {
 public:
  explicit Front(const net::WorldClock& clock);
  /// What clients may name from now on. A name two models claim goes to the first.
  void serve(std::vector<Lane*> lanes);
  void handle(const net::ExchangePtr& exchange);
  const std::map<int, std::int64_t>& refused() const { return refused_; }

 private:
  struct Served {
    Lane* lane = nullptr;
    bool adapter = false;
  };
  using Fault = std::optional<ClientFault>;

  void refuse(net::Exchange& exchange, const ClientFault& fault, std::string_view request_id);
  void list_models(net::Exchange& exchange, std::string_view only);
  void infer(const net::ExchangePtr& exchange, format::OpenAiEndpoint endpoint);
  Fault check_key(const Lane* lane, std::string_view key) const;
  Fault find_lane(const format::OpenAiRequest& body, std::string_view key, Served& served) const;
  Fault read_headers(const net::Headers& headers, const Lane& lane, route::Arrived& arrived) const;
  std::string request_id(const net::Headers& headers);
  std::string model_json(const std::string& name, const Served& served) const;

  const net::WorldClock& clock_;
  std::vector<Lane*> lanes_;
  std::map<std::string, Served, std::less<>> served_;
  format::OpenAiParser parser_;
  std::map<int, std::int64_t> refused_;
  std::uint64_t ids_ = 0;
  std::uint64_t id_salt_;
  std::int64_t created_;
};

}  // namespace tidegate::live
