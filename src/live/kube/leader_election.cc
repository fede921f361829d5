#include "live/kube/leader_election.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "live/kube/json_parts.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

LeaseRecord record_of(const json& lease) {
  const json& spec = part(lease, "spec");
  return {text(spec, "holderIdentity"),
          whole_number(spec, "leaseDurationSeconds").value_or(0),
          whole_number(spec, "leaseTransitions").value_or(0),
          text(spec, "acquireTime"),
          text(spec, "renewTime"),
          text(lease, "metadata", "resourceVersion")};
}

json lease_of(const LeaseRecord& record, json metadata) {
  json spec = {{"holderIdentity", record.holder},
               {"leaseDurationSeconds", record.lease_seconds},
               {"acquireTime", record.acquired},
               {"renewTime", record.renewed},
               {"leaseTransitions", record.transitions}};
  return {{"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

Resource leases(const std::string& ns) { return {"coordination.k8s.io/v1", "leases", ns}; }

}  // namespace

std::string unique_identity() {
  char host[256] = "host";
  ::gethostname(host, sizeof host - 1);
  std::random_device chance;
  return fmt::format("{}_{:08x}{:08x}", host, chance(), chance());
}

Result<std::unique_ptr<LeaderElection>> LeaderElection::create(std::shared_ptr<KubeClient> client,
                                                               LeaderOptions options,
                                                               LeaderHandler handler) {
  if (options.ns.empty() || options.name.empty()) return fail("a Lease needs a namespace and name");
  if (auto fine = options.times.check(); !fine) return fail(fine.error());
  if (options.identity.empty()) options.identity = unique_identity();
  return std::unique_ptr<LeaderElection>(
      new LeaderElection(std::move(client), std::move(options), std::move(handler)));
}

LeaderElection::LeaderElection(std::shared_ptr<KubeClient> client, LeaderOptions options,
                               LeaderHandler handler)
    : client_(std::move(client)),
      options_(std::move(options)),
      handler_(std::move(handler)),
      election_(options_.identity, options_.times,
                Rng(options_.seed, "kube.lease." + options_.identity)) {}

LeaderElection::~LeaderElection() {
  client_->cancel(call_);
  client_->loop().cancel(timer_);
  client_->loop().cancel(limit_);
}

bool LeaderElection::leading() const { return election_.leading(net::WorldClock::mono_now()); }

void LeaderElection::start() {
  if (std::exchange(started_, true)) return;
  timer_ = client_->loop().after(Duration(0), [this] { step(); });
}

void LeaderElection::release(std::function<void()> done) {
  done_ = std::move(done);
  election_.release(net::WorldClock::mono_now());
  client_->loop().cancel(timer_);
  timer_ = client_->loop().after(Duration(0), [this] { step(); });
}

/// Told first, so that who led has stopped before the Lease is given back.
void LeaderElection::step() {
  client_->loop().cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
  tell();
  const Instant now = net::WorldClock::mono_now();
  if (auto ask = election_.ask(now, net::WorldClock::wall_now())) send(*ask);
  if (election_.released() && done_) return std::exchange(done_, nullptr)();
  if (Instant wake = election_.next_wake(); !wake.is_never()) {
    timer_ = client_->loop().after(std::max(wake - now, Duration(0)), [this] { step(); });
  }
}

void LeaderElection::tell() {
  bool now = leading();
  if (std::exchange(told_, now) != now) handler_.leading(now);
}

/// With our notice where we are to hold it, and nobody's where nobody is.
json LeaderElection::noticed(const LeaseRecord& record, json out) const {
  const std::string text = post_ && !record.holder.empty() ? post_() : "";
  if (!text.empty() && text.size() <= kMaxNoticeBytes) {
    out["annotations"][kNoticeAnnotation] = record.holder + " " + text;
  } else if (out.contains("annotations") && out["annotations"].is_object()) {
    out["annotations"].erase(kNoticeAnnotation);
  }
  return out;
}

/// That of a holder before says nothing of this one.
std::optional<std::string> LeaderElection::notice() const {
  const std::string mark = election_.holder() + " ";
  if (!election_.held(net::WorldClock::mono_now()) || !notice_.starts_with(mark)) {
    return std::nullopt;
  }
  return notice_.substr(mark.size());
}

void LeaderElection::send(const Election::Ask& ask) {
  const Resource of = leases(options_.ns);
  act_ = ask.act;
  ApiCall call;
  if (ask.act == Election::Act::kRead) {
    call = get(of, options_.name);
  } else if (ask.act == Election::Act::kCreate) {
    call = kube::create(
        of, lease_of(ask.record,
                     noticed(ask.record, {{"name", options_.name}, {"namespace", options_.ns}})));
  } else {
    call = replace(of, options_.name,
                   lease_of(ask.record, noticed(ask.record, json::parse(metadata_))));
  }
  call.urgent = true;
  // The client waits and asks again where the server says so: here a term may not wait for it.
  limit_ = client_->loop().after(options_.times.renew_deadline / 2, [this, call] {
    client_->cancel(call_);
    answered(
        tl::unexpected(no_answer(call, client_->access().server, "not within half the deadline")));
  });
  call_ = client_->call(std::move(call),
                        [this](ApiResult<json> answer) { answered(std::move(answer)); });
}

void LeaderElection::answered(ApiResult<json> answer) {
  call_ = KubeClient::CallId::kNone;
  client_->loop().cancel(limit_);
  limit_ = net::Loop::TimerId::kNone;
  const Instant now = net::WorldClock::mono_now();
  if (answer && answer->is_object()) {
    metadata_ = part(*answer, "metadata").dump();
    notice_ = text(*answer, "metadata", "annotations", kNoticeAnnotation);
    election_.answered(Election::Came::kRecord, record_of(*answer), now);
    return step();
  }
  using Came = Election::Came;
  const int code = answer ? 0 : answer.error().code;
  Came came = Came::kNothing;
  if (code == 409) came = Came::kConflict;
  // A 404 to a POST is no missing Lease: the namespace is.
  if (code == 404 && act_ != Election::Act::kCreate) came = Came::kMissing;
  election_.answered(came, {}, now);
  if (!answer && came == Came::kNothing && handler_.trouble) handler_.trouble(answer.error());
  step();
}

}  // namespace tidegate::live::kube
