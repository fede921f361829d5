#pragma once
// What gateways and their leader tell each other (proto/gateway.proto), as values.
// Thread-safety: values.

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/route/router.h"
#include "core/signal/observation.h"
#include "live/net/http.h"

namespace tidegate::live::link {

inline constexpr std::uint32_t kProtocol = 1;
/// A fleet of 20,000 replicas in one message.
inline constexpr int kMaxMessageBytes = 16 << 20;

// ---- gateway -> leader ----

/// What a gateway may use of an engine, by its address: leaders have ids of their own.
struct InForce {
  std::string model;
  net::Address address;
  std::int64_t requests = 0, kv_tokens = 0;
};

struct Hello {
  std::string name;               ///< host:port of its clients' side
  std::uint64_t incarnation = 0;  ///< of the process, by chance
  std::string version;            ///< of the build
  std::uint32_t protocol = kProtocol;
  std::int64_t gateways = 0;    ///< the leader before had; 0: there was none
  std::vector<InForce> shares;  ///< as it told last, or what is held of more
};

struct Held {
  ReplicaId replica;
  std::int64_t requests = 0, tokens = 0, ended = 0;
  bool operator==(const Held&) const = default;
};

using Buckets = std::vector<std::pair<std::size_t, std::int64_t>>;  ///< as workload::Sketch fills

struct ModelReport {
  std::string model;
  signal::Demand demand;
  Buckets ttft, itl;
  std::vector<Held> replicas;
  bool operator==(const ModelReport&) const = default;
};

struct Report {
  std::uint64_t acked = 0;
  std::vector<ModelReport> models;
  bool leaving = false;  ///< it ends, and holds nothing
};

// ---- leader -> gateway ----

struct ReplicaNews {
  route::ReplicaUp up;  ///< the whole replica
  net::Address address;
  bool draining = false;
  route::ReplicaShare share;
  std::uint64_t scrapes = 0;  ///< pages read so far; 0: none yet
  route::Scraped scraped;
};

struct ModelNews {
  std::string model;
  bool all = false;  ///< replicas not named are gone
  std::vector<ReplicaNews> replicas;
};

struct News {
  std::uint64_t version = 0;
  std::string leader;
  std::int64_t gateways = 1;  ///< there are, or those still waited for; 0: not known yet
  std::vector<ModelNews> models;
};

/// Where the engines of a variant are, by somebody else than a leader.
struct EngineSight {
  std::set<net::Address> ready, ending;
};

}  // namespace tidegate::live::link
