#include "live/external_metrics/trust.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/ascii.h"
#include "live/external_metrics/request.h"
#include "live/kube/json_parts.h"
#include "live/net/log.h"
#include "live/net/percent.h"

namespace tidegate::live::external_metrics {
namespace {

using ascii::equal_ignoring_case;
using nlohmann::json;

constexpr const char* kName = "extension-apiserver-authentication";

/// A JSON list of strings in a string; absent is empty.
Result<std::vector<std::string>> list_of(const json& data, const char* key) {
  const std::string text = kube::text(data, key);
  if (text.empty()) return std::vector<std::string>();
  json list = json::parse(text, nullptr, false);
  const bool fine = list.is_array() && std::all_of(list.begin(), list.end(),
                                                   [](const json& one) { return one.is_string(); });
  if (!fine) return fail(std::string(key) + ": \"" + text + "\" is no JSON list of strings");
  return list.get<std::vector<std::string>>();
}

Result<net::CaSet> cas_of(const json& data, const char* key) {
  const std::string pem = kube::text(data, key);
  if (pem.empty()) return net::CaSet();
  auto set = net::CaSet::parse(pem);
  if (!set) return fail(set.error().within(key));
  return set;
}

std::string first_of(const net::Headers& headers, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (auto value = headers.get(name); !value.empty()) return std::string(value);
  }
  return "";
}

std::vector<std::string> all_of(const net::Headers& headers,
                                const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    for (const auto& [field, value] : headers.all()) {
      if (ascii::equal_ignoring_case(field, name) && !value.empty()) out.push_back(value);
    }
  }
  return out;
}

/// "X-Remote-Extra-Example.org%2fRole: admin" -> {"example.org/role", {"admin"}}.
void read_extra(const net::Headers& headers, const std::vector<std::string>& prefixes,
                Caller& caller) {
  for (const std::string& prefix : prefixes) {
    for (const auto& [field, value] : headers.all()) {
      if (field.size() <= prefix.size() ||
          !ascii::equal_ignoring_case(std::string_view(field).substr(0, prefix.size()), prefix)) {
        continue;
      }
      const std::string key = net::percent_decode(ascii::lower(field.substr(prefix.size())));
      auto known = std::find_if(caller.extra.begin(), caller.extra.end(),
                                [&](const auto& one) { return one.first == key; });
      if (known == caller.extra.end()) {
        caller.extra.push_back({key, {value}});
      } else {
        known->second.push_back(value);
      }
    }
  }
}

std::optional<Caller> by_front_proxy(const net::Subject& proxy, const net::Headers& headers,
                                     const ClusterTrust& trust, std::string& why) {
  const auto& allowed = trust.allowed_names;
  if (!allowed.empty() &&
      std::find(allowed.begin(), allowed.end(), proxy.common_name) == allowed.end()) {
    why = "client certificate \"" + proxy.common_name + "\" is none of requestheader-allowed-names";
    return std::nullopt;
  }
  Caller out;
  out.name = first_of(headers, trust.user_headers);
  if (out.name.empty()) return std::nullopt;  // the proxy speaks for nobody: perhaps for itself
  out.uid = first_of(headers, trust.uid_headers);
  out.groups = all_of(headers, trust.group_headers);
  read_extra(headers, trust.extra_prefixes, out);
  return out;
}

}  // namespace

Result<ClusterTrust> read_trust(const json& config_map) {
  const json& data = kube::part(config_map, "data");
  if (!data.is_object()) {
    return fail(std::string("ConfigMap kube-system/") + kName + " has no data");
  }
  ClusterTrust out;
  auto clients = cas_of(data, "client-ca-file");
  if (!clients) return fail(clients.error());
  auto proxies = cas_of(data, "requestheader-client-ca-file");
  if (!proxies) return fail(proxies.error());
  out.clients = std::move(*clients);
  out.front_proxies = std::move(*proxies);
  const std::pair<const char*, std::vector<std::string>*> lists[] = {
      {"requestheader-allowed-names", &out.allowed_names},
      {"requestheader-username-headers", &out.user_headers},
      {"requestheader-uid-headers", &out.uid_headers},
      {"requestheader-group-headers", &out.group_headers},
      {"requestheader-extra-headers-prefix", &out.extra_prefixes},
  };
  for (const auto& [key, into] : lists) {
    auto list = list_of(data, key);
    if (!list) return fail(list.error());
    *into = std::move(*list);
  }
  return out;
}

std::optional<Caller> by_certificate(const net::CertificateChain& chain,
                                     const net::Headers& headers, const ClusterTrust& trust,
                                     WallTime now, std::string& why) {
  if (chain.empty()) return std::nullopt;
  auto proxy = net::client_subject(chain, trust.front_proxies, now);
  if (proxy) {
    if (auto caller = by_front_proxy(*proxy, headers, trust, why)) return caller;
  }
  auto subject = net::client_subject(chain, trust.clients, now);
  if (subject && !subject->common_name.empty()) {
    return Caller{subject->common_name, "", subject->organizations, {}};
  }
  if (why.empty() && !proxy) why = proxy.error().message;
  if (why.empty()) why = "the front proxy names no user in its headers";
  return std::nullopt;
}

TrustFollower::TrustFollower(std::shared_ptr<kube::KubeClient> client, Duration period)
    : client_(std::move(client)), period_(period) {
  read();
}

TrustFollower::~TrustFollower() {
  client_->cancel(call_);
  client_->loop().cancel(timer_);
}

void TrustFollower::read() {
  timer_ = net::Loop::TimerId::kNone;
  call_ = client_->call(kube::get({"v1", "configmaps", "kube-system"}, kName),
                        [this](const kube::ApiResult<json>& answer) {
                          call_ = kube::KubeClient::CallId::kNone;
                          took(answer);
                          timer_ = client_->loop().after(
                              known_ ? period_ : std::min(period_, kRetry), [this] { read(); });
                        });
}

void TrustFollower::took(const kube::ApiResult<json>& answer) {
  std::string trouble;
  if (!answer) {
    trouble = answer.error().message;
    if (answer.error().code == 403) {
      trouble +=
          "; bind Role kube-system/extension-apiserver-authentication-reader to this account";
    }
  } else if (auto trust = read_trust(*answer); !trust) {
    trouble = trust.error().message;
  } else {
    known_ = std::move(*trust);
  }
  if (trouble != trouble_ && !trouble.empty()) {
    net::log(net::Level::kWarn, "whom the cluster trusts cannot be read", {{"cause", trouble}});
  }
  trouble_ = std::move(trouble);
}

}  // namespace tidegate::live::external_metrics
