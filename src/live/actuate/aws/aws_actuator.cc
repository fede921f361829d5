#include "live/actuate/aws/aws_actuator.h"

#include <algorithm>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

Result<std::shared_ptr<aws::Client>> client_of(aws::Accounts& accounts,
                                               const spec::Variant& variant) {
  const auto* target = std::get_if<spec::AwsAutoScalingGroupTarget>(&variant.target);
  if (target == nullptr) return fail("variant " + variant.name + ": not an AWS target");
  auto client = accounts.client({target->profile, target->region, target->endpoint});
  if (!client) return fail(client.error().within("variant " + variant.name));
  return client;
}

}  // namespace

Result<std::unique_ptr<AwsActuator>> AwsActuator::create(AwsWorld world, AwsOptions options,
                                                         const spec::Model& model,
                                                         const spec::Variant& variant,
                                                         ActuatorSink sink) {
  auto client = client_of(world.accounts, variant);
  if (!client) return fail(client.error());
  return std::unique_ptr<AwsActuator>(
      new AwsActuator(world, options, model.name, variant, std::move(*client), std::move(sink)));
}

AwsActuator::AwsActuator(AwsWorld world, AwsOptions options, std::string model,
                         const spec::Variant& variant, std::shared_ptr<aws::Client> client,
                         ActuatorSink sink)
    : world_(world),
      options_(options),
      model_(std::move(model)),
      variant_(variant),
      reporter_(world.loop, std::move(sink)),
      client_(std::move(client)),
      chance_(options.seed, "aws." + model_ + "/" + variant.name),
      probes_(world.loop, world.client, options.probe,
              [this](ReplicaId id, const std::string& trouble) { probed(id, trouble); }) {}

AwsActuator::~AwsActuator() { forget(); }

/// Nothing that is under way will be heard of.
void AwsActuator::forget() {
  alive_ = std::make_shared<int>(0);
  probes_.clear();
  for (auto* timer : {&retry_timer_, &look_timer_}) {
    world_.loop.cancel(*timer);
    *timer = net::Loop::TimerId::kNone;
  }
  for (auto& [id, member] : members_) world_.loop.cancel(member.deadline);
  busy_ = false;
}

void AwsActuator::adopt() {
  started_ = true;
  turn();
}

void AwsActuator::apply(const control::Apply& wanted) {
  const std::int64_t total = std::max<std::int64_t>(0, wanted.replicas.value());
  if (stopping_) return reporter_.applied({variant_.name, total, 0, "shutting down"});
  const std::int64_t asleep =
      pooled() ? std::clamp<std::int64_t>(wanted.asleep.value(), 0, total) : 0;
  const bool same = wanted_ == total - asleep && wanted_asleep_ == asleep && !answer_due_;
  victims_ = {wanted.victims.begin(), wanted.victims.end()};
  // An answer that said no was the truth of then: it is asked again.
  if (same && failures_ == 0 && wanted_ == awake_goal() && !stale_) {
    return reporter_.applied({variant_.name, total, 1, ""});
  }
  wanted_ = total - asleep;
  wanted_asleep_ = asleep;
  answer_due_ = stale_ = true;
  turn();
}

void AwsActuator::drained(ReplicaId id) {
  Member* member = find(id);
  if (member == nullptr || member->info.state != ReplicaState::kDraining) return;
  member->drained = true;
  turn();
}

/// It is scaled in, and the group's reuse policy puts it into the pool; the apply that follows says
/// how many shall sleep.
void AwsActuator::sleep(ReplicaId id, int) {
  Member* member = find(id);
  if (member == nullptr || !pooled() || member->leaving) return;
  if (member->phase != Phase::kServing || member->info.state != ReplicaState::kReady) return;
  member->to_pool = true;
  begin_leaving(*member);
}

void AwsActuator::reload(const spec::Model& model, const spec::Variant& variant) {
  auto client = client_of(world_.accounts, variant);
  if (!client) {
    return net::log(net::Level::kError, "reload refused", {{"error", client.error().message}});
  }
  const auto& next = std::get<spec::AwsAutoScalingGroupTarget>(variant.target);
  const bool same = next.name == target().name && *client == client_ &&
                    next.port == target().port && next.health_path == target().health_path;
  model_ = model.name;
  variant_ = variant;
  if (same || stopping_) return;
  forget();
  for (auto& [id, member] : members_) end(member);
  members_.clear();
  addresses_.clear();
  old_news_.reset();
  capacity_detail_.clear();
  client_ = std::move(*client);
  expected_ = suspect_ = pool_written_ = -1;
  failures_ = 0;
  adopting_ = stale_ = true;
  turn();
}

std::vector<ReplicaInfo> AwsActuator::replicas() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [id, member] : members_) out.push_back(member.info);
  return out;
}

void AwsActuator::shutdown(std::function<void()> done) {
  stopping_ = true;
  forget();
  for (auto& [id, member] : members_) end(member);
  members_.clear();
  reporter_.tell(std::move(done));
}

}  // namespace tidegate::live
