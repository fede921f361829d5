#pragma once
// EndpointSet: engines at known addresses, each probed for health and reported as a replica.
//
//   EndpointSet set({loop, client, clock, journal}, "h100", reporter, options);
//   set.assign(urls);      // new ones start being probed, missing ones are gone
//
// GET /health, or /v1/models where there is no /health, once a period: `failures_down` bad answers
// in a row take a replica down (failed), one good answer brings it back (ready). Wall time.
// Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "live/actuate/actuator.h"
#include "live/actuate/reporter.h"
#include "live/net/clock.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"
#include "live/store/journal.h"

namespace tidegate::live {

struct EndpointWorld {
  net::Loop& loop;
  net::HttpClient& client;
  const net::WorldClock& clock;
  Journal& journal;
};

struct EndpointOptions {
  Duration period = seconds(1);
  Duration timeout = seconds(5);
  int failures_down = 2;
};

inline constexpr std::size_t kMaxEndpoints = 1'000;

/// "http://host:8000", also with "/" or "/v1" behind it. Errors name the URL and the fix; https is
/// refused.
Result<net::Address> parse_endpoint(const std::string& url);
/// All of them; an error at the first bad one, a repeated one, or more than kMaxEndpoints.
Result<std::vector<net::Address>> parse_endpoints(const std::vector<std::string>& urls);

class EndpointSet {
 public:
  EndpointSet(EndpointWorld world, std::string variant, Reporter& reporter,
              EndpointOptions options);
  ~EndpointSet();

  void assign(const std::vector<net::Address>& addresses);
  std::vector<ReplicaInfo> replicas() const;
  std::size_t size() const { return endpoints_.size(); }

 private:
  struct Endpoint {
    ReplicaInfo info;
    bool models_page = false;  ///< it has no /health
    int failures = 0;
    net::HttpClient::CallId call = net::HttpClient::CallId::kNone;
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
  };
  void probe(const net::Address& address);
  void probe_in(Endpoint& endpoint, Duration wall);
  void answered(const net::Address& address, const Result<net::Response>& answer);
  void report(Endpoint& endpoint, control::ReplicaState state);
  void quiet(Endpoint& endpoint);

  EndpointWorld world_;
  std::string variant_;
  Reporter& reporter_;
  EndpointOptions options_;
  std::map<net::Address, Endpoint> endpoints_;
};

}  // namespace tidegate::live
