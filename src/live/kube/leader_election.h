#pragma once
// LeaderElection: one of several controllers leads, by a Lease; the rest stand by.
//
//   auto election = LeaderElection::create(client, {.ns = "serve", .name = "tidegate"},
//                                          {.leading = [](bool yes) { ... }}).value();
//   election->start();
//   if (election->leading()) write();        // ask again before each write
//   election->release([] { ... });           // at shutdown: the next one leads at once
//
// `leading` is told true after each take-over, and false when the term ends: at release, or
// renew_deadline after the last renewal was sent, whether or not anybody answers. leading() says
// the same of this very instant, also where the loop was held up. A leader that lost its term goes
// on as a candidate. Whatever the API server says (404, 409, 5xx, nothing) is tried again each
// retry period. After a leader's death another leads within lease + 2 * kJitter * retry, given an
// answer. Handlers are told from the loop, never from inside a call, and may not destroy it. Wall
// time; a machine's sleep stops its monotonic clock, so writes stay guarded by resourceVersion.
// A leader may leave a notice for the others (where it is found), which stands in the Lease for as
// long as it holds it: election->post([] { return "10.0.0.7:8443"; }); others: election->notice().
// Rights: leases get, create, update. The algorithm is in election.h. Thread-safety: the loop's
// thread.

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "live/kube/client.h"
#include "live/kube/election.h"

namespace tidegate::live::kube {

struct LeaderOptions {
  std::string ns, name;
  std::string identity;  ///< of this process alone; empty: unique_identity()
  LeaseTimes times;
  std::uint64_t seed = 1;
};

/// Annotation of the Lease: its holder's identity, a blank, and the notice.
inline constexpr const char* kNoticeAnnotation = "tidegate.dev/leader";

struct LeaderHandler {
  std::function<void(bool leading)> leading;
  /// Each time a call fails other than by losing a race; optional.
  std::function<void(const ApiError& error)> trouble;
};

/// Host name (in a pod: the pod's), and chance: a restarted process is another one.
std::string unique_identity();

class LeaderElection {
 public:
  /// Error: times under which two could lead, or no name.
  static Result<std::unique_ptr<LeaderElection>> create(std::shared_ptr<KubeClient> client,
                                                        LeaderOptions options,
                                                        LeaderHandler handler);
  /// Without release(): the Lease expires by itself.
  ~LeaderElection();
  LeaderElection(const LeaderElection&) = delete;
  LeaderElection& operator=(const LeaderElection&) = delete;

  void start();
  /// What every renewal from now on says; at most kMaxNoticeBytes, longer ones are left out.
  void post(std::function<std::string()> notice) { post_ = std::move(notice); }
  static constexpr std::size_t kMaxNoticeBytes = 64 << 10;
  /// The holder's, as seen last; nothing where it has expired by what was seen, or left none.
  std::optional<std::string> notice() const;
  /// Ends the term and gives the Lease back; `done` within half the renew deadline a call.
  void release(std::function<void()> done);

  bool leading() const;
  const std::string& identity() const { return options_.identity; }
  const std::string& holder() const { return election_.holder(); }  ///< as seen last
  std::int64_t term() const { return election_.term(); }            ///< leaseTransitions

 private:
  LeaderElection(std::shared_ptr<KubeClient> client, LeaderOptions options, LeaderHandler handler);
  void step();
  void send(const Election::Ask& ask);
  void answered(ApiResult<nlohmann::json> answer);
  void tell();
  nlohmann::json noticed(const LeaseRecord& record, nlohmann::json metadata) const;

  std::shared_ptr<KubeClient> client_;
  LeaderOptions options_;
  LeaderHandler handler_;
  Election election_;
  std::function<std::string()> post_;  ///< or none
  std::string notice_;                 ///< the annotation as read last
  std::string metadata_;               ///< of the Lease as read last: others' labels are kept
  std::function<void()> done_;
  Election::Act act_ = Election::Act::kRead;  ///< under way, or the last
  bool started_ = false, told_ = false;
  KubeClient::CallId call_ = KubeClient::CallId::kNone;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone, limit_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::kube
