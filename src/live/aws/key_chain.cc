#include "live/aws/key_chain.h"

#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "live/kube/time_text.h"
#include "live/net/clock.h"

namespace tidegate::live::aws {
namespace {

constexpr const char* kStsVersion = "2011-06-15";
constexpr const char* kRolePath = "/latest/meta-data/iam/security-credentials/";

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

Result<Keys> keys_of(const std::string& what, Keys keys, const std::string& expires) {
  if (keys.access_key.empty() || keys.secret.empty())
    return fail(what + ": the answer has no keys");
  if (!expires.empty()) {
    auto at = kube::parse_time(expires);
    if (!at) return fail(what + ": the expiry \"" + expires + "\" is no time");
    keys.expires = *at;
  }
  return keys;
}

}  // namespace

KeyChain::KeyChain(net::Loop& loop, net::CurlClient& curl, net::HttpClient& http, Wish wish,
                   Environment environment)
    : loop_(loop),
      curl_(curl),
      http_(http),
      wish_(std::move(wish)),
      environment_(std::move(environment)) {}

bool KeyChain::lasts(Duration longer) const {
  return known_ &&
         (known_->expires == WallTime{} || net::WorldClock::wall_now() + longer < known_->expires);
}

void KeyChain::get(Told told) {
  if (lasts(kBeforeExpiry)) return told(*known_);
  if (!fetching_ && !failed_at_.is_never() && loop_.now() - failed_at_ < kPause) {
    if (lasts(Duration(0))) return told(*known_);
    return told(fail(failure_));
  }
  waiting_.push_back(std::move(told));
  if (!fetching_) fetch();
}

bool KeyChain::refused(const Keys& used) {
  if (known_ && !(*known_ == used)) return true;  // fresher by now
  const bool fixed = source_ && std::holds_alternative<Keys>(source_->from);
  if (fixed && used.session_token.empty()) return false;
  known_.reset();
  failed_at_ = Instant::never();
  return true;
}

void KeyChain::fetch() {
  fetching_ = true;
  auto source = find_source(wish_, environment_);  // each time: files change
  if (!source) return fetched(fail(source.error()));
  source_ = std::move(*source);
  if (const auto* keys = std::get_if<Keys>(&source_->from)) return fetched(*keys);
  if (const auto* agent = std::get_if<ContainerAgent>(&source_->from)) return from_agent(*agent);
  if (std::holds_alternative<InstanceRole>(source_->from)) return from_instance();
  if (const auto* role = std::get_if<AssumedRole>(&source_->from)) {
    Params params = {{"RoleArn", role->role_arn}, {"RoleSessionName", role->session_name}};
    if (!role->external_id.empty()) params.emplace_back("ExternalId", role->external_id);
    return from_sts("AssumeRole", params, &role->by);
  }
  const auto& web = std::get<WebIdentity>(source_->from);
  auto token = kube::read_file(web.token_file);
  if (!token) return fetched(fail(token.error().within(source_->what)));
  from_sts("AssumeRoleWithWebIdentity",
           {{"RoleArn", web.role_arn},
            {"RoleSessionName", web.session_name},
            {"WebIdentityToken", trimmed(*token)}},
           nullptr);
}

void KeyChain::from_sts(const std::string& action, const Params& params, const Keys* by) {
  net::CurlRequest request;
  request.method = "POST";
  request.url = endpoint_of("sts", wish_, environment_) + "/";
  request.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  Params all = {{"Action", action}, {"Version", kStsVersion}};
  all.insert(all.end(), params.begin(), params.end());
  request.body = form(all);
  if (by != nullptr) {
    request.sigv4 = "aws:amz:" + wish_.region + ":sts";
    request.sigv4_key = by->access_key;
    request.sigv4_secret = by->secret;
    if (!by->session_token.empty()) {
      request.headers.add("X-Amz-Security-Token", by->session_token);
    }
  }
  request.total_timeout = kTimeout;
  request.max_response_bytes = kMaxAnswer;
  curl_.fetch(std::move(request), [this, action,
                                   alive = std::weak_ptr(alive_)](Result<net::Response> answer) {
    if (alive.expired()) return;
    if (!answer) return fetched(fail(answer.error().within(source_->what)));
    Answer read = read_answer({"sts", action}, answer->status, answer->body,
                              clock_off(answer->headers.get("Date"), net::WorldClock::wall_now()));
    if (!read) return fetched(fail(source_->what + ": " + read.error().message));
    pugi::xml_node keys =
        (*read)->document_element().child((action + "Result").c_str()).child("Credentials");
    fetched(keys_of(source_->what,
                    {keys.child_value("AccessKeyId"),
                     keys.child_value("SecretAccessKey"),
                     keys.child_value("SessionToken"),
                     {}},
                    keys.child_value("Expiration")));
  });
}

void KeyChain::from_agent(const ContainerAgent& agent) {
  auto url = net::parse_url(agent.url);
  if (!url) return fetched(fail(url.error().within(source_->what)));
  net::ClientRequest request;
  request.address = url->address;
  request.path = url->path;
  std::string authorization = agent.authorization;
  if (!agent.authorization_file.empty()) {
    auto text = kube::read_file(agent.authorization_file);
    if (!text) return fetched(fail(text.error().within(source_->what)));
    authorization = trimmed(*text);
  }
  if (!authorization.empty()) request.headers.add("Authorization", authorization);
  request.connect_timeout = Metadata::kConnectTimeout;
  request.first_byte_timeout = Metadata::kTimeout;
  request.idle_timeout = Metadata::kTimeout;
  request.max_response_bytes = kMaxAnswer;
  http_.fetch(std::move(request),
              [this, alive = std::weak_ptr(alive_)](const Result<net::Response>& answer) {
                if (!alive.expired()) read_json(answer, source_->what);
              });
}

void KeyChain::from_instance() {
  if (!metadata_) {
    auto address = Metadata::address(environment_);
    if (!address) return fetched(fail(address.error()));
    metadata_ = std::make_unique<Metadata>(loop_, http_, *address);
  }
  metadata_->get(kRolePath, [this](const Result<net::Response>& answer) {
    if (!answer) {
      return fetched(
          fail("no AWS credentials in the environment, in ~/.aws or from a container; then " +
               answer.error().message));
    }
    const std::string role = trimmed(answer->body.substr(0, answer->body.find('\n')));
    if (answer->status != 200 || role.empty()) {
      return fetched(fail("this instance has no role: attach an instance profile (HTTP " +
                          std::to_string(answer->status) + " of its metadata)"));
    }
    metadata_->get(kRolePath + role, [this, role](const Result<net::Response>& keys) {
      read_json(keys, "role " + role + " of this instance");
    });
  });
}

void KeyChain::read_json(const Result<net::Response>& answer, const std::string& what) {
  if (!answer) return fetched(fail(answer.error().within(what)));
  if (answer->status != 200) {
    return fetched(fail(what + ": HTTP " + std::to_string(answer->status)));
  }
  const auto body = nlohmann::json::parse(answer->body, nullptr, false);
  if (!body.is_object()) return fetched(fail(what + ": the answer is no JSON object"));
  auto text = [&](const char* key) {
    return body.contains(key) && body[key].is_string() ? body[key].get<std::string>() : "";
  };
  fetched(keys_of(what, {text("AccessKeyId"), text("SecretAccessKey"), text("Token"), {}},
                  text("Expiration")));
}

void KeyChain::fetched(Result<Keys> keys) {
  fetching_ = false;
  if (keys) {
    known_ = *keys;
    failed_at_ = Instant::never();
  } else {
    failure_ = keys.error().message;
    failed_at_ = loop_.now();
    if (lasts(Duration(0))) keys = *known_;  // until they end
  }
  std::vector<Told> waiting;
  waiting.swap(waiting_);
  for (const Told& told : waiting) told(keys);
}

}  // namespace tidegate::live::aws
