#include "live/aws/testing/fake_group.h"

#include <algorithm>

namespace tidegate::live::aws {
namespace {

constexpr std::size_t kMaxActivities = 20;

}  // namespace

FakeInstance* FakeGroup::find(const std::string& id) {
  auto it = std::find_if(instances.begin(), instances.end(),
                         [&](const FakeInstance& one) { return one.id == id; });
  return it == instances.end() ? nullptr : &*it;
}

std::int64_t FakeGroup::in_service() const {
  return std::count_if(instances.begin(), instances.end(),
                       [](const auto& one) { return one.lifecycle == "InService"; });
}
std::int64_t FakeGroup::counted() const {
  return std::count_if(instances.begin(), instances.end(),
                       [](const auto& one) { return one.counts(); });
}
std::int64_t FakeGroup::warmed() const {
  return std::count_if(instances.begin(), instances.end(),
                       [](const auto& one) { return one.warmed() && !one.terminating(); });
}

std::int64_t FakeGroup::pool_size() const {
  const std::int64_t room = (pool_prepared < 0 ? max : pool_prepared) - desired;
  return pool ? std::max(pool_min, room) : 0;
}

void FakeGroup::terminate(FakeInstance& instance) {
  // With reuse, what leaves the group goes back to its pool while the pool has room.
  const bool back = pool && pool_reuse && !instance.warmed() && warmed() < pool_size();
  instance.lifecycle = back                ? "Warmed:Pending"
                       : instance.warmed() ? "Warmed:Terminating"
                                           : "Terminating";
}

void FakeGroup::move(FakeInstance& one) const {
  if (one.lifecycle == "Pending" && !hold_pending) {
    one.lifecycle = launch_hook ? "Pending:Wait" : "InService";
  } else if (one.lifecycle == "Pending:Wait") {
    one.lifecycle = "Pending:Proceed";
  } else if (one.lifecycle == "Pending:Proceed") {
    one.lifecycle = "InService";
  } else if (one.lifecycle == "Terminating") {
    one.lifecycle = termination_hook ? "Terminating:Wait" : "Terminating:Proceed";
  } else if (one.lifecycle == "Terminating:Proceed" || one.lifecycle == "Warmed:Terminating") {
    one.lifecycle = "Terminated";
  } else if (one.lifecycle == "Warmed:Pending") {
    one.lifecycle = "Warmed:" + pool_state;
  }
}

void FakeGroup::step() {
  for (FakeInstance& one : instances) move(one);
  std::erase_if(instances, [](const FakeInstance& one) { return one.lifecycle == "Terminated"; });
  fill();
  fill_pool();
}

void FakeGroup::launch(const std::string& lifecycle) {
  const std::string number = std::to_string(next_activity_++);
  if (static_cast<std::int64_t>(instances.size()) >= capacity) {
    activities.insert(activities.begin(),
                      {"activity-" + number, "Failed",
                       "We currently do not have sufficient p5.48xlarge capacity in the "
                       "Availability Zone you requested (eu-central-1a). Launching EC2 instance "
                       "failed."});
  } else {
    int host = 2;  // the lowest that is free
    auto ip = [&] { return "127.1.0." + std::to_string(host); };
    while (std::any_of(instances.begin(), instances.end(),
                       [&](const FakeInstance& one) { return one.ip == ip(); })) {
      ++host;
    }
    instances.push_back({"i-" + std::to_string(next_++), lifecycle, ip(), false, false});
    activities.insert(activities.begin(), {"activity-" + number, "Successful", ""});
  }
  if (activities.size() > kMaxActivities) activities.pop_back();
}

void FakeGroup::fill() {
  const bool launches = std::find(suspended.begin(), suspended.end(), "Launch") == suspended.end();
  for (std::int64_t missing = desired - counted(); missing > 0; --missing) {
    auto warm = std::find_if(instances.begin(), instances.end(), [&](const FakeInstance& one) {
      return one.lifecycle == "Warmed:" + pool_state;
    });
    if (hold_warm) return;
    if (warm != instances.end()) {
      warm->lifecycle = "Pending";
    } else if (launches) {
      launch("Pending");
      if (activities.front().status == "Failed") break;  // it tries again later
    }
  }
  for (std::int64_t surplus = counted() - desired; surplus > 0; --surplus) {
    auto oldest = std::find_if(instances.begin(), instances.end(), [](const FakeInstance& one) {
      return one.counts() && !one.is_protected;
    });
    if (oldest == instances.end()) return;
    terminate(*oldest);
  }
}

void FakeGroup::fill_pool() {
  const std::int64_t wanted = pool_size();
  for (std::int64_t missing = wanted - warmed(); missing > 0; --missing) {
    launch("Warmed:Pending");
    if (activities.front().status == "Failed") break;
  }
  for (std::int64_t surplus = warmed() - wanted; surplus > 0; --surplus) {
    auto one = std::find_if(instances.begin(), instances.end(),
                            [](const auto& i) { return i.warmed() && !i.terminating(); });
    terminate(*one);
  }
}

}  // namespace tidegate::live::aws
