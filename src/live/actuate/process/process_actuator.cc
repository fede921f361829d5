// How many: from what was asked to which replicas start and stop.

#include "live/actuate/process/process_actuator.h"

#include <algorithm>
#include <filesystem>

#include "core/base/check.h"
#include "live/actuate/process/proc.h"
#include "live/actuate/process/spawn.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;

constexpr Duration kFirstBackOff = seconds(1);  // world
constexpr Duration kLongestBackOff = seconds(60);
constexpr Duration kHealthyFor =
    seconds(60);               // world; a replica that lived this long did not crash-loop
constexpr int kCrashLoop = 3;  // failed starts in a row
constexpr Duration kDeviceRetryReport = seconds(30);  // world
constexpr Duration kDeviceRetry = millis(250);        // wall; another model may free one

Duration back_off(int failures) {
  Duration wait = kFirstBackOff;
  for (int i = 1; i < failures && wait < kLongestBackOff; ++i) wait *= 2;
  return std::min(wait, kLongestBackOff);
}

/// FNV-1a, with a separator after each item so that ("ab","c") and ("a","bc") differ.
class Hash {
 public:
  void add(std::string_view text) {
    for (char c : text) byte(static_cast<unsigned char>(c));
    byte(0xff);
  }
  std::uint64_t value() const { return value_; }

 private:
  void byte(unsigned char c) { value_ = (value_ ^ c) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

}  // namespace

ProcessActuator::ProcessActuator(ProcessWorld world, ProcessOptions options, spec::Model model,
                                 spec::Variant variant, ActuatorSink sink)
    : world_(world),
      options_(std::move(options)),
      model_(std::move(model)),
      variant_(std::move(variant)),
      reporter_(world_.loop, std::move(sink)),
      logs_(options_.state_dir + "/logs", model_.name + "-" + variant_.name) {
  TIDEGATE_CHECK(std::holds_alternative<spec::ProcessTarget>(variant_.target));
  options_.state_dir = absolute_path(options_.state_dir);
  hash_ = hash_of_spec();
}

ProcessActuator::~ProcessActuator() {
  for (auto& [id, r] : replicas_) quiet(*r);
  world_.loop.cancel(retry_timer_);
}

std::uint64_t ProcessActuator::hash_of_spec() const {
  Hash hash;
  for (const auto& word : target().command) hash.add(spec_word(word));
  hash.add("env");
  for (const auto& [name, value] : target().env) hash.add(name + "=" + spec_word(value));
  hash.add("engine");
  // Only our own engine reads these: a better estimate of a cold start must not restart a real one.
  bool emulated = !target().command.empty() &&
                  std::filesystem::path(target().command[0]).filename() == "tidegate";
  if (options_.engine_env && emulated) {
    for (const auto& [name, value] : options_.engine_env(model_, variant_, ReplicaId())) {
      hash.add(name + "=" + value);
    }
  }
  hash.add(std::to_string(variant_.hardware.count) + "/" +
           std::to_string(variant_.hardware.fraction));
  return hash.value();
}

std::string ProcessActuator::spec_word(const std::string& word) const {
  return replace_all(
      word, {{"{model}", model_.served_names.empty() ? model_.name : model_.served_names[0]},
             {"{gpus}", std::to_string(variant_.hardware.count)}});
}

std::int64_t ProcessActuator::count() const {
  return std::count_if(replicas_.begin(), replicas_.end(),
                       [](const auto& entry) { return entry.second->lives(); });
}

void ProcessActuator::apply(const control::Apply& wanted) {
  control::Applied answer{variant_.name, wanted.replicas.value(), 1, ""};
  if (stopping_) {
    answer.ok = 0;
    answer.detail = "shutting down";
  } else {
    wanted_ = std::max<std::int64_t>(0, wanted.replicas.value());
    victims_ = wanted.victims;
    reconcile_after(Duration(0));
  }
  reporter_.applied(answer);
}

void ProcessActuator::reload(const spec::Model& model, const spec::Variant& variant) {
  if (!std::holds_alternative<spec::ProcessTarget>(variant.target)) {
    return net::log(net::Level::kError, "reload refused: not a process target",
                    {{"model", model.name}, {"variant", variant.name}});
  }
  model_ = model;
  variant_ = variant;
  std::uint64_t hash = hash_of_spec();
  if (hash == hash_) return;
  hash_ = hash;
  failures_ = 0;  // what failed was another command
  next_start_ = Instant();
  reconcile_after(Duration(0));
}

/// One pass is enough however many ask, and never runs inside a caller.
void ProcessActuator::reconcile_after(Duration wall) {
  if (wall == Duration(0)) {
    if (reconciling_) return;
    reconciling_ = true;
    world_.loop.defer(guarded([this] {
      reconciling_ = false;
      reconcile();
    }));
    return;
  }
  world_.loop.cancel(retry_timer_);
  retry_timer_ = world_.loop.after(wall, [this] {
    retry_timer_ = net::Loop::TimerId::kNone;
    reconcile();
  });
}

void ProcessActuator::reconcile() {
  if (stopping_ || wanted_ < 0) return;
  // Of an old spec and not serving: nothing is lost, the new one starts in its place.
  for (auto& [id, r] : replicas_) {
    if (r->lives() && (r->booting() || r->asleep()) && r->hash != hash_) stop(*r);
  }
  std::int64_t total = 0, old = 0, fresh_booting = 0;
  for (const auto& [id, r] : replicas_) {
    if (!r->lives()) continue;
    ++total;
    if (r->hash != hash_) ++old;
    if (r->hash == hash_ && r->booting()) ++fresh_booting;
  }
  // While old ones are replaced, one more than asked for may boot.
  std::int64_t surge = old > 0 ? 1 : 0;
  std::int64_t surplus = total - wanted_ - std::min(surge, fresh_booting);
  if (surplus > 0) return stop_surplus(surplus);
  if (total >= wanted_) device_waits_.clear();
  bool wants_more = total < wanted_ || (surge > 0 && fresh_booting == 0 && wanted_ > 0);
  if (!wants_more || !may_start()) return;
  if (world_.devices.can_lease({variant_.hardware.count, variant_.hardware.fraction})) {
    start_one();
    return reconcile_after(Duration(0));  // one a pass: starting many must not hold up the loop
  }
  bool freed_soon = std::any_of(replicas_.begin(), replicas_.end(),
                                [](const auto& entry) { return !entry.second->lives(); });
  if (total >= wanted_ && !freed_soon) {
    // Every device holds an old one: the new cannot be ready before, so one makes room.
    net::log(net::Level::kWarn, "no free device to replace a replica beside the old one",
             {{"model", model_.name}, {"variant", variant_.name}});
    return stop_surplus(1);
  }
  device_waits_.resize(static_cast<std::size_t>(std::max<std::int64_t>(0, wanted_ - total)),
                       world_.clock.now());
  out_of_devices();
}

/// In order: those named, those that cost least. While old ones are being replaced an old one goes
/// before one that boots in its place.
void ProcessActuator::stop_surplus(std::int64_t surplus) {
  std::vector<Replica*> order;
  for (ReplicaId id : victims_) {
    Replica* r = find(id);
    if (r != nullptr && r->lives()) order.push_back(r);
  }
  std::vector<Replica*> rest;
  for (auto it = replicas_.rbegin(); it != replicas_.rend(); ++it) rest.push_back(it->second.get());
  bool replacing = std::any_of(rest.begin(), rest.end(),
                               [&](Replica* r) { return r->lives() && r->hash != hash_; });
  std::stable_sort(rest.begin(), rest.end(), [&](Replica* a, Replica* b) {
    auto rank = [&](Replica* r) {
      if (replacing) return r->hash != hash_ ? 0 : r->booting() ? 1 : 2;
      return r->booting() ? 0 : r->asleep() || r->falling ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  // Replicas that boot go first even before named ones, unless they stand in for old ones.
  if (!replacing) {
    auto serving = std::find_if(rest.begin(), rest.end(), [](Replica* r) { return !r->booting(); });
    order.insert(order.begin(), rest.begin(), serving);
    rest.erase(rest.begin(), serving);
  }
  order.insert(order.end(), rest.begin(), rest.end());
  for (Replica* r : order) {
    if (surplus == 0) break;
    if (!r->lives()) continue;
    stop(*r);
    --surplus;
  }
  victims_.clear();
  reconcile_after(Duration(0));
}

bool ProcessActuator::may_start() {
  Instant now = world_.clock.now();
  if (now >= next_start_) return true;
  reconcile_after(world_.clock.to_wall(next_start_ - now) + millis(1));
  return false;
}

void ProcessActuator::out_of_devices() {
  Instant now = world_.clock.now();
  if (now >= next_capacity_report_) {
    next_capacity_report_ = now + kDeviceRetryReport;
    capacity_failed(count(), kDeviceRetryReport,
                    "no free device: this machine has " + std::to_string(world_.devices.size()) +
                        ", each replica takes " + std::to_string(variant_.hardware.count) + ", " +
                        std::to_string(world_.devices.free()) + " free");
  }
  reconcile_after(kDeviceRetry);
}

void ProcessActuator::start_failed(const std::string& detail, bool at_once) {
  ++failures_;
  Duration wait = back_off(failures_);
  next_start_ = world_.clock.now() + wait;
  if (at_once || failures_ >= kCrashLoop) capacity_failed(count(), wait, detail);
  reconcile_after(world_.clock.to_wall(wait) + millis(1));
}

void ProcessActuator::capacity_failed(std::int64_t limit, Duration retry_after,
                                      const std::string& detail) {
  reporter_.capacity_failed({variant_.name, limit, retry_after, detail});
}

std::vector<ReplicaInfo> ProcessActuator::replicas() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [id, r] : replicas_) out.push_back(r->info);
  return out;
}

void ProcessActuator::shutdown(std::function<void()> done) {
  bool again = stopping_;
  stopping_ = true;
  done_.push_back(std::move(done));
  world_.loop.cancel(retry_timer_);
  if (options_.leave) {
    for (auto& [id, r] : replicas_) quiet(*r);
    replicas_.clear();
  }
  for (auto& [id, r] : replicas_) {
    if (again) {
      kill_group(*r);
    } else if (r->lives()) {
      stop(*r);
    }
  }
  finish_shutdown();
}

void ProcessActuator::finish_shutdown() {
  if (!stopping_ || !replicas_.empty()) return;
  for (auto& done : done_) {
    if (done) reporter_.tell(std::move(done));
  }
  done_.clear();
}

void ProcessActuator::failed(Replica& r, const std::string& detail) {
  bool lasted = !r.ready_at.is_never() && world_.clock.now() - r.ready_at >= kHealthyFor;
  if (lasted) failures_ = 0;
  r.info.detail = detail;
  quiet(r);
  report(r, ReplicaState::kFailed);
  kill_group(r);
  start_failed(detail, false);
}

}  // namespace tidegate::live
