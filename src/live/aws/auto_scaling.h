#pragma once
// EC2 Auto Scaling, as values: a group, its instances and activities, its warm pool; and the calls
// that read and change them.
//
//   read_group(client, "llm-h100", [](AwsResult<Group> group) { ... });
//   set_desired(client, "llm-h100", 4, [](AwsResult<None> done) { ... });
//
// Answered as Client answers. Source: Amazon EC2 Auto Scaling API Reference 2011-01-01, Amazon EC2
// API Reference 2016-11-15. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "live/aws/client.h"

namespace tidegate::live::aws {

template <class T>
using AwsResult = tl::expected<T, AwsError>;
template <class T>
using Told = std::function<void(AwsResult<T>)>;
struct None {};

/// One instance of a group or its warm pool, as Auto Scaling sees it.
struct Instance {
  std::string id, zone, lifecycle, health;
  bool is_protected = false;
};

struct Group {
  std::int64_t min = 0, max = 0, desired = 0;
  std::vector<Instance> instances;     ///< without those of the warm pool
  std::vector<std::string> suspended;  ///< processes, such as Launch
  bool being_deleted = false;
};
/// An error with code "NotFound" where there is no such group.
void read_group(Client& client, const std::string& group, Told<Group> told);

struct WarmPool {
  bool configured = false;
  std::int64_t min = 0, prepared = -1;  ///< MinSize, MaxGroupPreparedCapacity (-1: unset)
  std::string state;                    ///< Stopped, Hibernated, Running
  bool reuse = false;
  std::vector<Instance> instances;
};
inline constexpr int kMaxPoolPages = 40;  ///< of 50 instances; AWS gives as many at most
/// All pages; an error where there are more than kMaxPoolPages.
void read_warm_pool(Client& client, const std::string& group, Told<WarmPool> told);

struct Activity {
  std::string id, status, message, description;
};
/// The latest, newest first.
inline constexpr int kActivitiesRead = 20;
void read_activities(Client& client, const std::string& group, Told<std::vector<Activity>> told);

/// What EC2 knows of an instance.
struct Machine {
  std::string private_ip, state;
  std::optional<WallTime> launched;
  bool spot = false;
};
inline constexpr std::size_t kMaxMachinesRead = 100;
/// At most kMaxMachinesRead ids. Those EC2 does not know (any more) are left out.
void read_machines(Client& client, const std::vector<std::string>& ids,
                   Told<std::map<std::string, Machine>> told);

void set_desired(Client& client, const std::string& group, std::int64_t desired, Told<None> told);
/// The group's desired capacity falls by one with it.
void terminate(Client& client, const std::string& instance, Told<None> told);
inline constexpr std::size_t kMaxProtected = 50;  ///< of one call
void protect(Client& client, const std::string& group, const std::vector<std::string>& instances,
             Told<None> told);
void complete_hook(Client& client, const std::string& group, const std::string& hook,
                   const std::string& instance, Told<None> told);
/// A warm pool of `prepared` less the desired capacity, so that raising the capacity wakes an
/// instance and refills nothing; what is scaled in comes back while there is room.
void set_warm_pool(Client& client, const std::string& group, std::int64_t prepared,
                   const std::string& state, Told<None> told);

}  // namespace tidegate::live::aws
