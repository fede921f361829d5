#pragma once
// FakeAws: Auto Scaling, EC2, CloudWatch, STS, instance metadata and a container's credentials
// agent in this process, on our own HTTP server. Signatures are computed again (signature.h).
//
//   FakeAws aws(loop);
//   FakeGroup& group = aws.add_group("g");
//   spec::AwsAutoScalingGroupTarget target{.name = "g", .region = FakeAws::kRegion,
//                                          .endpoint = aws.url()};
//
// A test breaks it by the members below. What it is not: no scaling policies at work, no zones, no
// pages of groups. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "live/aws/query.h"
#include "live/aws/testing/fake_group.h"
#include "live/net/http_server.h"

namespace tidegate::live::aws {

class FakeAws {
 public:
  static constexpr const char* kRegion = "eu-central-1";
  static constexpr const char* kKey = "AKIATEST";
  static constexpr const char* kSecret = "secret/of+test";

  explicit FakeAws(net::Loop& loop, const net::Address& listen = {"127.0.0.1", 0});
  std::string url() const { return "http://" + address_.text(); }
  FakeGroup& add_group(const std::string& name);
  FakeGroup& group(const std::string& name) { return *groups_.at(name); }

  // Who may call.
  struct Identity {
    std::string secret, token;  ///< token: must come with it
    bool expired = false;
  };
  std::map<std::string, Identity> identities = {{kKey, {kSecret, "", false}}};
  std::set<std::string> denied;  ///< actions: AccessDenied
  // Where keys are handed out: each time new ones, "ASIA1", "ASIA2", ...
  std::string web_token = "web-token", role = "arn:aws:iam::1:role/r";
  std::string agent_authorization = "agent-secret";
  std::string expiration = "2099-01-01T00:00:00Z";  ///< of those handed out
  bool out_of_reach = false;                        ///< the metadata's token: as behind a hop limit
  std::string instance_action;                      ///< of the spot notice; empty: 404
  std::int64_t metadata_tokens = 0, metadata_refused = 0, metadata_reads = 0, handed_out = 0;
  void forget_metadata_token() { metadata_token_.clear(); }

  /// Answers with this error, so many times; by action.
  struct Fault {
    std::string code, message;
    int status = 400, times = 1;
  };
  std::map<std::string, Fault> faults;
  Duration clock_ahead{0};  ///< its clock's, before ours; signatures may be 15 minutes off
  bool down = false;        ///< connections are broken without an answer

  std::vector<std::string> calls;  ///< actions in order, writes with their parameters
  std::vector<std::map<std::string, std::string>> metrics;  ///< forms of PutMetricData
  std::map<std::string, std::string> policy;                ///< the form of PutScalingPolicy
  std::int64_t count(const std::string& action) const;
  std::string last(const std::string& action) const;  ///< such a call; empty: none

 private:
  using Form = std::map<std::string, std::string>;
  struct Reply {
    int status = 200;
    std::string body;
  };
  void handle(const net::ExchangePtr& exchange);
  WallTime now() const;
  Reply query(const net::Request& request, const Form& asked);
  Reply local(const net::Request& request);
  Reply outside(const net::Request& request);
  std::optional<Reply> refusal(const net::Request& request, const std::string& action,
                               const std::string& service);
  Reply act(const std::string& action, const Form& asked);
  Reply group_call(const std::string& action, const Form& asked, FakeGroup& group);
  Reply describe_instances(const Form& asked) const;
  std::string fresh_keys(bool json);

  std::map<std::string, std::unique_ptr<FakeGroup>> groups_;
  std::string metadata_token_;
  net::HttpServer server_;
  net::Address address_;
};

}  // namespace tidegate::live::aws
