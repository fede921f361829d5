#include "live/actuate/aws/health_probes.h"

namespace tidegate::live {

void HealthProbes::watch(ReplicaId id, const net::Address& address, const std::string& path) {
  if (probes_.contains(id)) return;
  Probe& probe = probes_[id];
  probe.address = address;
  probe.path = path;
  probe.timer = loop_.after(Duration(0), [this, id] { ask(id); });
}

void HealthProbes::forget(ReplicaId id) {
  auto it = probes_.find(id);
  if (it == probes_.end()) return;
  quiet(it->second);
  probes_.erase(it);
}

void HealthProbes::clear() {
  for (auto& [id, probe] : probes_) quiet(probe);
  probes_.clear();
}

void HealthProbes::quiet(Probe& probe) {
  loop_.cancel(probe.timer);
  if (probe.call != net::HttpClient::CallId::kNone) client_.cancel(probe.call);
}

void HealthProbes::ask(ReplicaId id) {
  Probe& probe = probes_.at(id);
  probe.timer = net::Loop::TimerId::kNone;
  net::ClientRequest request;
  request.address = probe.address;
  request.path = probe.path;
  request.connect_timeout = options_.timeout;
  request.first_byte_timeout = options_.timeout;
  request.idle_timeout = options_.timeout;
  request.max_response_bytes = kMaxAnswer;
  probe.call = client_.fetch(std::move(request), [this, id](const Result<net::Response>& answer) {
    answered(id, answer);
  });
}

void HealthProbes::answered(ReplicaId id, const Result<net::Response>& answer) {
  Probe& probe = probes_.at(id);
  probe.call = net::HttpClient::CallId::kNone;
  probe.timer = loop_.after(options_.period, [this, id] { ask(id); });
  if (answer && answer->status == 200) {
    probe.failures = 0;
    if (!std::exchange(probe.healthy, true)) told_(id, "");
    return;
  }
  ++probe.failures;
  if (!probe.healthy || probe.failures < kFailuresDown) return;
  probe.healthy = false;
  const std::string words =
      answer ? probe.path + " answered " + std::to_string(answer->status) : answer.error().message;
  told_(id, words);
}

}  // namespace tidegate::live
