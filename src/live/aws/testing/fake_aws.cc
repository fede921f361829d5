#include "live/aws/testing/fake_aws.h"

#include <fmt/format.h>

#include <algorithm>

#include "live/aws/testing/signature.h"
#include "live/net/clock.h"

namespace tidegate::live::aws {
namespace {

std::string error_xml(const std::string& code, const std::string& message) {
  return fmt::format(
      "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error>"
      "<Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>"
      "<RequestId>r-1</RequestId></ErrorResponse>",
      code, message);
}

std::string ec2_error_xml(const std::string& code, const std::string& message) {
  return fmt::format(
      "<?xml version=\"1.0\"?><Response><Errors><Error><Code>{}</Code><Message>{}</Message>"
      "</Error></Errors><RequestID>r-1</RequestID></Response>",
      code, message);
}

constexpr std::chrono::minutes kSignatureLasts{15};

std::string service_of(const std::string& action) {
  if (action == "DescribeInstances") return "ec2";
  if (action == "PutMetricData") return "monitoring";
  if (action.starts_with("AssumeRole")) return "sts";
  return "autoscaling";
}

std::map<std::string, std::string> parse_form(const std::string& body) {
  std::map<std::string, std::string> out;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = std::min(body.find('&', at), body.size());
    const std::string pair = body.substr(at, end - at);
    const std::string name = pair.substr(0, pair.find('='));
    out[name] = net::query_value(pair, name);
    at = end + 1;
  }
  return out;
}

std::string of(const std::map<std::string, std::string>& form, const std::string& name) {
  auto it = form.find(name);
  return it == form.end() ? "" : it->second;
}

std::string worded(const std::map<std::string, std::string>& form) {
  std::string out = of(form, "Action");
  if (out.starts_with("Describe")) return out;
  for (const auto& [name, value] : form) {
    if (name != "Action" && name != "Version" && name != "WebIdentityToken") {
      out += fmt::format(" {}={}", name, value);
    }
  }
  return out;
}

}  // namespace

FakeAws::FakeAws(net::Loop& loop, const net::Address& listen)
    : server_(loop, net::Limits{}, [this](const net::ExchangePtr& x) { handle(x); }) {
  address_ = server_.listen(listen).value();
}

FakeGroup& FakeAws::add_group(const std::string& name) {
  auto& group = groups_[name] = std::make_unique<FakeGroup>();
  group->name = name;
  return *group;
}

std::int64_t FakeAws::count(const std::string& action) const {
  return std::count_if(calls.begin(), calls.end(), [&](const std::string& call) {
    return call == action || call.starts_with(action + " ");
  });
}

std::string FakeAws::last(const std::string& action) const {
  auto it = std::find_if(calls.rbegin(), calls.rend(), [&](const std::string& call) {
    return call == action || call.starts_with(action + " ");
  });
  return it == calls.rend() ? "" : *it;
}

void FakeAws::handle(const net::ExchangePtr& exchange) {
  const net::Request& request = exchange->request();
  const bool token = request.path == "/latest/api/token";
  if (down || (token && out_of_reach)) {
    metadata_refused += token ? 1 : 0;
    return exchange->abort();
  }
  const bool is_query = request.method == "POST" && request.path == "/";
  const Reply reply = is_query ? query(request, parse_form(request.body)) : local(request);
  net::Headers headers;
  headers.add("Date", utc(now(), "%a, %d %b %Y %H:%M:%S GMT"));
  exchange->respond(reply.status, headers, reply.body);
}

WallTime FakeAws::now() const { return net::WorldClock::wall_now() + clock_ahead; }

FakeAws::Reply FakeAws::query(const net::Request& request, const Form& asked) {
  const std::string action = of(asked, "Action"), service = service_of(action);
  calls.push_back(worded(asked));
  if (auto no = refusal(request, action, service)) return *no;
  if (auto fault = faults.find(action); fault != faults.end() && fault->second.times > 0) {
    --fault->second.times;
    return {fault->second.status, error_xml(fault->second.code, fault->second.message)};
  }
  if (denied.contains(action)) {
    const std::string words = "User is not authorized to perform this operation";
    return service == "ec2" ? Reply{403, ec2_error_xml("UnauthorizedOperation", words)}
                            : Reply{403, error_xml("AccessDenied", words)};
  }
  Reply reply = act(action, asked);
  if (reply.status == 200 && !reply.body.starts_with('<')) {
    reply.body =
        fmt::format("<{0}Response><{0}Result>{1}</{0}Result></{0}Response>", action, reply.body);
  }
  return reply;
}

std::optional<FakeAws::Reply> FakeAws::refusal(const net::Request& request,
                                               const std::string& action,
                                               const std::string& service) {
  if (action == "AssumeRoleWithWebIdentity") return std::nullopt;  // the token is the proof
  const bool ec2 = service == "ec2";
  auto no = [&](const char* code, const std::string& message) {
    return Reply{403, ec2 ? ec2_error_xml(code, message) : error_xml(code, message)};
  };
  auto by = signed_by(request);
  if (!by) return no("MissingAuthenticationToken", "Request is missing Authentication Token");
  auto who = identities.find(by->access_key);
  if (who == identities.end()) {
    return no("InvalidClientTokenId", "The security token included in the request is invalid.");
  }
  if (std::string fault = age_fault(request.headers.get("X-Amz-Date"), now(), kSignatureLasts);
      !fault.empty()) {
    return ec2 ? no("RequestExpired", "Request has expired.") : no("SignatureDoesNotMatch", fault);
  }
  if (std::string fault = signature_fault(request, *by, service, kRegion, who->second.secret);
      !fault.empty()) {
    return no("SignatureDoesNotMatch", fault);
  }
  if (request.headers.get("X-Amz-Security-Token") != who->second.token) {
    return no("InvalidClientTokenId", "The security token included in the request is invalid.");
  }
  if (who->second.expired) {
    return no("ExpiredToken", "The security token included in the request is expired");
  }
  return std::nullopt;
}

FakeAws::Reply FakeAws::act(const std::string& action, const Form& asked) {
  if (action == "DescribeInstances") return describe_instances(asked);
  if (action == "PutMetricData") {
    metrics.push_back(asked);
    return {};
  }
  if (action.starts_with("AssumeRole")) {
    const bool web = action == "AssumeRoleWithWebIdentity";
    if (of(asked, "RoleArn") != role || (web && of(asked, "WebIdentityToken") != web_token)) {
      return {400, error_xml("InvalidIdentityToken", "The web identity token is not valid")};
    }
    return {200, fresh_keys(false)};
  }
  if (action == "TerminateInstanceInAutoScalingGroup") {
    for (auto& [name, group] : groups_) {
      FakeInstance* one = group->find(of(asked, "InstanceId"));
      if (one == nullptr || one->warmed() || one->terminating()) continue;
      if (group->desired <= group->min) {
        return {400, error_xml("ValidationError", "Currently, desiredSize equals minSize")};
      }
      --group->desired;
      group->terminate(*one);
      return {};
    }
    return {400, error_xml("ValidationError",
                           "Instance Id not found - No managed instance found for instance ID")};
  }
  std::string name = of(asked, "AutoScalingGroupName");
  if (name.empty()) name = of(asked, "AutoScalingGroupNames.member.1");
  auto group = groups_.find(name);
  if (group != groups_.end()) return group_call(action, asked, *group->second);
  if (action == "DescribeAutoScalingGroups") return {};
  return {400, error_xml("ValidationError", "AutoScalingGroup name not found - null")};
}

FakeAws::Reply FakeAws::describe_instances(const Form& asked) const {
  std::string items;
  for (const auto& [name, group] : groups_) {
    for (const FakeInstance& one : group->instances) {
      bool named = std::any_of(asked.begin(), asked.end(), [&](const auto& entry) {
        return entry.first.starts_with("Filter.1.Value.") && entry.second == one.id;
      });
      if (!named) continue;
      items += fmt::format(
          "<item><instancesSet><item><instanceId>{}</instanceId><instanceState><code>16</code>"
          "<name>running</name></instanceState><privateIpAddress>{}</privateIpAddress>"
          "<launchTime>2026-01-02T03:04:05.000Z</launchTime>{}</item></instancesSet></item>",
          one.id, one.ip, one.spot ? "<instanceLifecycle>spot</instanceLifecycle>" : "");
    }
  }
  return {200, "<DescribeInstancesResponse><reservationSet>" + items +
                   "</reservationSet></DescribeInstancesResponse>"};
}

/// New keys that this fake will know: as STS says them, or as metadata and agents do.
std::string FakeAws::fresh_keys(bool json) {
  const std::string key = "ASIA" + std::to_string(++handed_out);
  identities[key] = {"secret-" + key, "token-" + key, false};
  if (json) {
    return fmt::format(R"({{"Code":"Success","AccessKeyId":"{0}","SecretAccessKey":"secret-{0}",)"
                       R"("Token":"token-{0}","Expiration":"{1}"}})",
                       key, expiration);
  }
  return fmt::format(
      " <Credentials><AccessKeyId>{0}</AccessKeyId><SecretAccessKey>secret-{0}</SecretAccessKey>"
      "<SessionToken>token-{0}</SessionToken><Expiration>{1}</Expiration></Credentials>",
      key, expiration);
}

/// For tests from outside: how the first group is, and its number as somebody else writes it.
FakeAws::Reply FakeAws::outside(const net::Request& request) {
  FakeGroup& group = *groups_.begin()->second;
  if (request.path == "/desired") group.desired = std::stoll(request.body);
  if (request.path == "/spot") instance_action = request.body;
  return {200,
          fmt::format(R"({{"desired":{},"inService":{},"warmed":{},"writes":{}}})", group.desired,
                      group.in_service(), group.warmed(), count("SetDesiredCapacity"))};
}

/// Instance metadata and the container's agent.
FakeAws::Reply FakeAws::local(const net::Request& request) {
  if (request.path == "/state" || request.path == "/desired" || request.path == "/spot") {
    return outside(request);
  }
  if (request.path == "/agent") {
    if (request.headers.get("Authorization") != agent_authorization) return {401, ""};
    return {200, fresh_keys(true)};
  }
  if (request.path == "/latest/api/token") {
    const bool put = request.method == "PUT" &&
                     request.headers.get("X-aws-ec2-metadata-token-ttl-seconds") == "21600";
    if (!put) return {400, ""};
    metadata_token_ = "metadata-token-" + std::to_string(++metadata_tokens);
    return {200, metadata_token_};
  }
  if (metadata_token_.empty() ||
      request.headers.get("X-aws-ec2-metadata-token") != metadata_token_) {
    return {401, ""};
  }
  ++metadata_reads;
  const std::string keys = "/latest/meta-data/iam/security-credentials/";
  if (request.path == keys) return {200, "instance-role"};
  if (request.path == keys + "instance-role") return {200, fresh_keys(true)};
  if (request.path == "/latest/meta-data/spot/instance-action" && !instance_action.empty()) {
    return {200, instance_action};
  }
  return {404, ""};
}

}  // namespace tidegate::live::aws
