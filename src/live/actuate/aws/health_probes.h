#pragma once
// HealthProbes: asks engines whether they serve, once a period, and tells each change: the first
// good answer, and kFailuresDown bad ones in a row after it.
//
//   HealthProbes probes(loop, client, {}, [](ReplicaId id, const std::string& trouble) { ... });
//   probes.watch(id, {"10.0.0.7", 8000}, "/health");      // trouble empty: it serves
//
// Wall time. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <string>

#include "core/base/strong.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"

namespace tidegate::live {

struct ProbeOptions {
  Duration period = seconds(1);
  Duration timeout = seconds(5);
};

class HealthProbes {
 public:
  static constexpr int kFailuresDown = 2;
  static constexpr std::size_t kMaxAnswer = 64 << 10;
  using Told = std::function<void(ReplicaId, const std::string& trouble)>;

  HealthProbes(net::Loop& loop, net::HttpClient& client, ProbeOptions options, Told told)
      : loop_(loop), client_(client), options_(options), told_(std::move(told)) {}
  ~HealthProbes() { clear(); }
  HealthProbes(const HealthProbes&) = delete;
  HealthProbes& operator=(const HealthProbes&) = delete;

  /// Nothing where it is watched already.
  void watch(ReplicaId id, const net::Address& address, const std::string& path);
  void forget(ReplicaId id);
  void clear();

 private:
  struct Probe {
    net::Address address;
    std::string path;
    bool healthy = false;
    int failures = 0;
    net::HttpClient::CallId call = net::HttpClient::CallId::kNone;
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
  };
  void ask(ReplicaId id);
  void answered(ReplicaId id, const Result<net::Response>& answer);
  void quiet(Probe& probe);

  net::Loop& loop_;
  net::HttpClient& client_;
  ProbeOptions options_;
  Told told_;
  std::map<ReplicaId, Probe> probes_;
};

}  // namespace tidegate::live
