#include "live/external_metrics/reviews.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"

namespace tidegate::live::external_metrics {
namespace {

using kube::part;
using kube::text;
using nlohmann::json;
using Texts = std::vector<std::string>;

/// Longer than an API server takes, shorter than an HPA waits.
constexpr Duration kTimeout = seconds(10);
/// The cluster's owners; authorizers let them pass before anybody is asked, and so do we.
constexpr const char* kMasters = "system:masters";

Texts texts_of(const json& list) {
  Texts out;
  if (!list.is_array()) return out;
  for (const json& one : list) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

kube::ApiCall review(const char* api_version, const char* plural, const char* kind, json spec) {
  auto out = kube::create({api_version, plural, ""},
                          {{"apiVersion", api_version}, {"kind", kind}, {"spec", std::move(spec)}});
  out.timeout = kTimeout;
  return out;
}

Verdict<Caller> caller_in(const json& status) {
  if (part(status, "authenticated") != true) {
    return tl::unexpected(Status{401, "Unauthorized", "Unauthorized: the token is not accepted"});
  }
  const json& user = part(status, "user");
  Caller out;
  out.name = text(user, "username");
  out.uid = text(user, "uid");
  out.groups = texts_of(part(user, "groups"));
  if (const json& extra = part(user, "extra"); extra.is_object()) {
    for (const auto& [key, values] : extra.items()) out.extra.emplace_back(key, texts_of(values));
  }
  return out;
}

json spec_of(const Caller& caller, const Asked& asked) {
  json spec = {{"user", caller.name}, {"groups", caller.groups}};
  if (!caller.uid.empty()) spec["uid"] = caller.uid;
  for (const auto& [key, values] : caller.extra) spec["extra"][key] = values;
  if (!asked.is_resource()) {
    spec["nonResourceAttributes"] = {{"path", asked.path}, {"verb", asked.verb}};
    return spec;
  }
  json& attributes = spec["resourceAttributes"];
  attributes = {
      {"group", kGroup}, {"version", kVersion}, {"resource", asked.resource}, {"verb", asked.verb}};
  if (!asked.ns.empty()) attributes["namespace"] = asked.ns;
  if (!asked.name.empty()) attributes["name"] = asked.name;
  return spec;
}

Status unanswered(const kube::ApiResult<json>& answer) {
  std::string why = answer ? "its answer has no status" : answer.error().message;
  if (!answer && answer.error().code == 403) {
    why += "; bind ClusterRole system:auth-delegator to this account";
  }
  return {503, "ServiceUnavailable", "the API server could not be asked about the caller: " + why,
          1};
}

Status forbidden(const Caller& caller, const Asked& asked, const std::string& reason) {
  std::string message;
  if (asked.is_resource()) {
    message = fmt::format(
        "{}.{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group "
        "\"{}\" in the namespace \"{}\"",
        asked.resource, kGroup, caller.name, asked.verb, asked.resource, kGroup, asked.ns);
  } else {
    message = fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"", caller.name, asked.verb,
                          asked.path);
  }
  return {403, "Forbidden", message + (reason.empty() ? "" : ": " + reason)};
}

}  // namespace

Reviews::Reviews(std::shared_ptr<kube::KubeClient> client) : client_(std::move(client)) {}

template <class T>
void Reviews::ask(Question<T> question, std::function<void(const Verdict<T>&)> told) {
  const Instant now = client_->loop().now();
  if (const auto* known = question.memory.find(question.key, now)) {
    const Verdict<T> copy = *known;  // what is told may ask again
    return told(copy);
  }
  if (asking_ >= kMaxAsking) {
    return told(tl::unexpected(Status{
        429, "TooManyRequests", "too many callers are being checked with the API server", 1}));
  }
  ++asking_;
  kube::ApiCall call = std::move(question.call);
  client_->call(std::move(call),
                [this, question = std::move(question), told = std::move(told),
                 alive = std::weak_ptr(alive_)](const kube::ApiResult<json>& answer) {
                  if (alive.expired()) return;
                  --asking_;
                  const json status = answer ? answer->value("status", json()) : json();
                  if (!status.is_object()) return told(tl::unexpected(unanswered(answer)));
                  const Verdict<T> verdict = question.judge(status);
                  question.memory.keep(question.key, verdict, client_->loop().now() + kHold);
                  told(verdict);
                });
}

void Reviews::whose(const std::string& token, Known known) {
  if (token.empty() || token.size() > kMaxToken) {
    return known(tl::unexpected(
        Status{401, "Unauthorized", "Unauthorized: a bearer token has 1 to 16384 bytes"}));
  }
  ask<Caller>(
      {callers_, token,
       review("authentication.k8s.io/v1", "tokenreviews", "TokenReview", {{"token", token}}),
       caller_in},
      std::move(known));
}

void Reviews::may(const Caller& caller, const Asked& asked, Judged judged) {
  const auto& groups = caller.groups;
  if (std::find(groups.begin(), groups.end(), kMasters) != groups.end()) return judged(Allowed{});
  json spec = spec_of(caller, asked);
  std::string key = spec.dump(-1, ' ', false, json::error_handler_t::replace);
  auto judge = [caller, asked](const json& status) -> Verdict<Allowed> {
    if (part(status, "allowed") == true && part(status, "denied") != true) return Allowed{};
    return tl::unexpected(forbidden(caller, asked, text(status, "reason")));
  };
  ask<Allowed>({allowed_, std::move(key),
                review("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview",
                       std::move(spec)),
                judge},
               std::move(judged));
}

}  // namespace tidegate::live::external_metrics
