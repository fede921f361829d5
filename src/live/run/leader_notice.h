#pragma once
// What the process that leads leaves in the Lease for the others: where each of its services
// answers, and which certificate it shows there.
//
//   LeaderNotice notice(election, api_server);           // one for each election
//   notice.tell("gateways", bound, name, [] { return pem; });   // in force while we lead
//   if (auto leader = notice.of("gateways")) ...         // while another is known to lead
//
// As text one JSON object: {"gateways": {"address", "certificate", "serverName"}, ...}. What is no
// such text says nothing; a service more than we know is left out. Who may write the Lease may
// lead, so whom it names is trusted as far as a leader is. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "live/external_metrics/leader.h"
#include "live/kube/leader_election.h"

namespace tidegate::live {

using external_metrics::Leader;

std::string notice_text(const std::map<std::string, Leader>& services);
std::optional<Leader> leader_in(const std::string& notice, const std::string& service);

class LeaderNotice {
 public:
  LeaderNotice(kube::LeaderElection& election, std::string api_server);
  LeaderNotice(const LeaderNotice&) = delete;
  LeaderNotice& operator=(const LeaderNotice&) = delete;

  /// At `bound`, as others reach it (own_address.h), with this certificate, asked for each time.
  Result<void> tell(const std::string& service, const net::Address& bound, std::string server_name,
                    std::function<std::string()> certificate_pem);
  std::optional<Leader> of(const std::string& service) const;

 private:
  kube::LeaderElection& election_;
  std::string api_server_;
  std::map<std::string, std::function<Leader()>> services_;
};

}  // namespace tidegate::live
