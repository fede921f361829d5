#include "live/run/leader_notice.h"

#include <nlohmann/json.hpp>

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
  if (!read.is_object()) return std::nullopt;
  const auto found = read.find(service);
  if (found == read.end() || !found->is_object()) return std::nullopt;
  for (const char* key : {"address", "certificate", "serverName"}) {
    if (auto it = found->find(key); it == found->end() || !it->is_string()) return std::nullopt;
  }
  auto address = net::parse_address((*found)["address"].get<std::string>());
  if (!address) return std::nullopt;
  return Leader{*address, (*found)["certificate"], (*found)["serverName"]};
}

LeaderNotice::LeaderNotice(kube::LeaderElection& election) : election_(election) {
  election_.post([this] {
    std::map<std::string, Leader> now;
    for (const auto& [service, where] : services_) now[service] = where();
    return notice_text(now);
  });
}

void LeaderNotice::tell(const std::string& service, std::function<Leader()> where) {
  services_[service] = std::move(where);
}

std::optional<Leader> LeaderNotice::of(const std::string& service) const {
  const auto notice = election_.notice();
  return notice ? leader_in(*notice, service) : std::nullopt;
}

}  // namespace tidegate::live
