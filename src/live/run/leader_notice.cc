#include "live/run/leader_notice.h"

#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/run/own_address.h"

namespace tidegate::live {

using nlohmann::json;

std::string notice_text(const std::map<std::string, Leader>& services) {
  json out = json::object();
  for (const auto& [service, leader] : services) {
    out[service] = {{"address", leader.address.text()},
                    {"certificate", leader.certificate_pem},
                    {"serverName", leader.server_name}};
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<Leader> leader_in(const std::string& notice, const std::string& service) {
  const json read = json::parse(notice, nullptr, false);
  const json& found = kube::part(read, service.c_str());
  for (const char* key : {"address", "certificate", "serverName"}) {
    if (!kube::part(found, key).is_string()) return std::nullopt;
  }
  auto address = net::parse_address(kube::text(found, "address"));
  if (!address) return std::nullopt;
  return Leader{*address, found["certificate"], found["serverName"]};
}

LeaderNotice::LeaderNotice(kube::LeaderElection& election, std::string api_server)
    : election_(election), api_server_(std::move(api_server)) {
  election_.post([this] {
    std::map<std::string, Leader> now;
    for (const auto& [service, where] : services_) now[service] = where();
    return notice_text(now);
  });
}

Result<void> LeaderNotice::tell(const std::string& service, const net::Address& bound,
                                std::string server_name,
                                std::function<std::string()> certificate_pem) {
  auto host = own_host(bound, api_server_);
  if (!host) return fail(host.error());
  services_[service] = [at = net::Address{*host, bound.port}, name = std::move(server_name),
                        pem = std::move(certificate_pem)] {
    return Leader{at, pem(), name};
  };
  return {};
}

std::optional<Leader> LeaderNotice::of(const std::string& service) const {
  const auto notice = election_.notice();
  return notice ? leader_in(*notice, service) : std::nullopt;
}

}  // namespace tidegate::live
