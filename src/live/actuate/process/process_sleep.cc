// Sleep and wake-up by vLLM's own routes; an engine needs VLLM_SERVER_DEV_MODE=1 and
// --enable-sleep-mode.

#include "live/actuate/process/process_actuator.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

constexpr Duration kAdminTimeout = seconds(120);  // wall: weights move between host and device
constexpr std::size_t kMaxAnswer = 64 << 10;

}  // namespace

void ProcessActuator::sleep(ReplicaId id, int level) {
  Replica* r = find(id);
  if (r == nullptr || !r->lives() || r->busy || r->info.state != ReplicaState::kReady) return;
  r->busy = true;
  r->sleep_level = level;
  admin_steps(id, {{"/sleep?level=" + std::to_string(level), ""}},
              [this, id](const std::string& problem) {
                Replica* slept = find(id);
                if (slept == nullptr) return;
                slept->busy = false;
                slept->info.detail = problem;
                if (problem.empty()) return report(*slept, ReplicaState::kSleeping);
                net::log(net::Level::kWarn, "replica did not go to sleep",
                         {{"replica", std::to_string(id.value())}, {"error", problem}});
              });
}

void ProcessActuator::wake(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr || !r->lives() || r->busy || r->info.state != ReplicaState::kSleeping) return;
  r->busy = true;
  std::vector<AdminStep> steps = {{"/wake_up", ""}};
  if (r->sleep_level >= 2) {
    // The weights were dropped: memory for them, the weights themselves, then memory for the cache.
    steps = {{"/wake_up?tags=weights", ""},
             {"/collective_rpc", R"({"method":"reload_weights"})"},
             {"/wake_up?tags=kv_cache", ""},
             {"/reset_prefix_cache", ""}};
  }
  admin_steps(id, std::move(steps), [this, id](const std::string& problem) {
    Replica* woken = find(id);
    if (woken == nullptr) return;
    woken->busy = false;
    if (problem.empty()) return report(*woken, ReplicaState::kReady);
    failed(*woken, "wake-up failed: " + problem);  // perhaps without weights: not to be routed to
  });
}

/// An adopted engine that slept: health says 200 in both states.
void ProcessActuator::ask_whether_asleep(ReplicaId id) {
  Replica* r = find(id);
  if (r == nullptr) return;
  net::ClientRequest request;
  request.address = r->info.address;
  request.path = "/is_sleeping";
  request.first_byte_timeout = options_.probe_timeout;
  request.idle_timeout = options_.probe_timeout;
  request.max_response_bytes = kMaxAnswer;
  r->admin_call =
      world_.client.fetch(std::move(request), guarded([this, id](Result<net::Response> answer) {
                            Replica* asked = find(id);
                            if (asked == nullptr || !asked->lives()) return;
                            asked->admin_call = net::HttpClient::CallId::kNone;
                            asked->maybe_asleep = false;
                            probe_in(*asked, options_.probe_period);
                            if (!answer || answer->body.find("true") == std::string::npos)
                              return became_ready(*asked);
                            world_.loop.cancel(asked->deadline);
                            asked->deadline = net::Loop::TimerId::kNone;
                            report(*asked, ReplicaState::kSleeping);
                          }));
}

/// One POST after the other; `done` gets the first problem, or nothing.
void ProcessActuator::admin_steps(ReplicaId id, std::vector<AdminStep> steps,
                                  std::function<void(const std::string&)> done) {
  Replica* r = find(id);
  if (r == nullptr) return;
  if (steps.empty()) return done("");
  net::ClientRequest request;
  request.address = r->info.address;
  request.method = "POST";
  request.path = steps.front().path;
  request.body = steps.front().body;
  if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
  request.first_byte_timeout = kAdminTimeout;
  request.idle_timeout = kAdminTimeout;
  request.max_response_bytes = kMaxAnswer;
  std::string path = steps.front().path;
  steps.erase(steps.begin());
  auto next = [this, id, path, steps = std::move(steps),
               done = std::move(done)](Result<net::Response> answer) {
    Replica* still = find(id);
    if (still == nullptr) return;
    still->admin_call = net::HttpClient::CallId::kNone;
    if (!answer) return done(path + ": " + answer.error().message);
    if (answer->status != 200) return done(path + " answered " + std::to_string(answer->status));
    admin_steps(id, steps, done);
  };
  r->admin_call = world_.client.fetch(std::move(request), guarded(std::move(next)));
}

}  // namespace tidegate::live
