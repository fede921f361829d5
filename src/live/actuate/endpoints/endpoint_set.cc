#include "live/actuate/endpoints/endpoint_set.h"

#include <algorithm>
#include <set>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

constexpr std::size_t kMaxAnswer = 1 << 20;  // /v1/models may list many adapters

}  // namespace

Result<net::Address> parse_endpoint(const std::string& url) {
  auto parsed = net::parse_url(url);
  if (!parsed) return fail(parsed.error().within("endpoint " + url));
  if (parsed->path != "/" && parsed->path != "/v1" && parsed->path != "/v1/") {
    return fail("endpoint " + url + ": has the path " + parsed->path +
                "; give scheme, host and port only, such as http://" + parsed->address.text());
  }
  return parsed->address;
}

Result<std::vector<net::Address>> parse_endpoints(const std::vector<std::string>& urls) {
  if (urls.size() > kMaxEndpoints) {
    return fail(std::to_string(urls.size()) + " endpoints; at most " +
                std::to_string(kMaxEndpoints));
  }
  std::vector<net::Address> out;
  std::set<net::Address> seen;
  for (const auto& url : urls) {
    auto address = parse_endpoint(url);
    if (!address) return fail(address.error());
    if (!seen.insert(*address).second) return fail("endpoint " + url + ": given twice");
    out.push_back(*address);
  }
  return out;
}

EndpointSet::EndpointSet(EndpointWorld world, std::string variant, Reporter& reporter,
                         EndpointOptions options)
    : world_(world), variant_(std::move(variant)), reporter_(reporter), options_(options) {}

EndpointSet::~EndpointSet() {
  for (auto& [address, endpoint] : endpoints_) quiet(endpoint);
}

void EndpointSet::assign(const std::vector<net::Address>& addresses) {
  std::set<net::Address> wanted(addresses.begin(), addresses.end());
  for (auto it = endpoints_.begin(); it != endpoints_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    quiet(it->second);
    report(it->second, ReplicaState::kGone);
    it = endpoints_.erase(it);
  }
  for (const auto& address : addresses) {
    if (endpoints_.contains(address) || endpoints_.size() >= kMaxEndpoints) continue;
    auto id = world_.journal.next_replica_id();
    if (!id) {
      net::log(net::Level::kError, "endpoint left out", {{"error", id.error().message}});
      continue;
    }
    Endpoint& added = endpoints_[address];
    added.info.id = *id;
    added.info.variant = variant_;
    added.info.address = address;
    added.info.adopted = true;  // it ran before us
    added.info.ordered_at = world_.clock.now();
    report(added, ReplicaState::kStarting);
    probe_in(added, Duration(0));
  }
}

std::vector<ReplicaInfo> EndpointSet::replicas() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [address, endpoint] : endpoints_) out.push_back(endpoint.info);
  return out;
}

void EndpointSet::probe_in(Endpoint& endpoint, Duration wall) {
  endpoint.timer =
      world_.loop.after(wall, [this, address = endpoint.info.address] { probe(address); });
}

void EndpointSet::probe(const net::Address& address) {
  Endpoint& endpoint = endpoints_.at(address);
  endpoint.timer = net::Loop::TimerId::kNone;
  net::ClientRequest request;
  request.address = address;
  request.path = endpoint.models_page ? "/v1/models" : "/health";
  request.connect_timeout = options_.timeout;
  request.first_byte_timeout = options_.timeout;
  request.idle_timeout = options_.timeout;
  request.max_response_bytes = kMaxAnswer;
  endpoint.call = world_.client.fetch(
      std::move(request),
      [this, address](Result<net::Response> answer) { answered(address, answer); });
}

void EndpointSet::answered(const net::Address& address, const Result<net::Response>& answer) {
  Endpoint& endpoint = endpoints_.at(address);
  endpoint.call = net::HttpClient::CallId::kNone;
  if (answer && (answer->status == 404 || answer->status == 405) && !endpoint.models_page) {
    endpoint.models_page = true;
    return probe_in(endpoint, Duration(0));
  }
  probe_in(endpoint, options_.period);
  if (answer && answer->status == 200) {
    endpoint.failures = 0;
    endpoint.info.detail.clear();
    if (endpoint.info.state != ReplicaState::kReady) report(endpoint, ReplicaState::kReady);
    return;
  }
  endpoint.info.detail =
      answer ? "health answered " + std::to_string(answer->status) : answer.error().message;
  ++endpoint.failures;
  if (endpoint.failures >= options_.failures_down && endpoint.info.state != ReplicaState::kFailed) {
    endpoint.models_page = false;  // what comes back may be another engine
    report(endpoint, ReplicaState::kFailed);
  }
}

void EndpointSet::report(Endpoint& endpoint, ReplicaState state) {
  endpoint.info.state = state;
  reporter_.replica(endpoint.info);
}

void EndpointSet::quiet(Endpoint& endpoint) {
  world_.loop.cancel(endpoint.timer);
  if (endpoint.call != net::HttpClient::CallId::kNone) world_.client.cancel(endpoint.call);
}

}  // namespace tidegate::live
