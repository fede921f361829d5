#pragma once
// FakeGroup: the life of an auto scaling group without a clock. It moves one step each time its
// step() is called (the fake server does so after every DescribeAutoScalingGroups), so that each
// state is seen before the next:
//
//   Pending -> [Pending:Wait -> Pending:Proceed] -> InService
//   Terminating -> [Terminating:Wait, until its hook is completed] -> Terminating:Proceed -> gone
//   Warmed:Pending -> Warmed:<state>; from there to Pending when desired rises
//
// For tests. Thread-safety: one owner.

#include <cstdint>
#include <string>
#include <vector>

namespace tidegate::live::aws {

struct FakeInstance {
  std::string id, lifecycle, ip;
  bool is_protected = false, spot = false;
  bool warmed() const { return lifecycle.starts_with("Warmed:"); }
  bool terminating() const { return lifecycle.find("Terminating") != std::string::npos; }
  /// Counts towards the desired capacity.
  bool counts() const { return lifecycle.starts_with("Pending") || lifecycle == "InService"; }
};
struct FakeActivity {
  std::string id, status, message;
};

class FakeGroup {
 public:
  std::string name;
  std::int64_t min = 0, max = 100, desired = 0;
  std::int64_t capacity = 1'000;       ///< machines that can be had at all
  bool hold_pending = false;           ///< what is Pending stays so
  bool hold_warm = false;              ///< nobody of the pool wakes yet
  bool launch_hook = false;            ///< passes by Pending:Wait
  bool termination_hook = false;       ///< waits in Terminating:Wait
  std::vector<std::string> suspended;  ///< processes
  bool pool = false;
  std::int64_t pool_min = 0, pool_prepared = -1;
  std::string pool_state = "Stopped";
  bool pool_reuse = false;
  std::int64_t pool_page = 50;  ///< warm instances told at once, the rest by NextToken

  std::vector<FakeInstance> instances;   ///< the warm pool's too
  std::vector<FakeActivity> activities;  ///< newest first

  void step();
  FakeInstance* find(const std::string& id);
  /// As Auto Scaling itself does: a scale-in's victim, an unhealthy instance, a spot notice.
  void terminate(FakeInstance& instance);
  std::int64_t in_service() const;
  std::int64_t counted() const;
  std::int64_t warmed() const;
  std::int64_t pool_size() const;  ///< as it shall be

 private:
  void move(FakeInstance& instance) const;
  void launch(const std::string& lifecycle);
  void fill();
  void fill_pool();

  int next_ = 1, next_activity_ = 1;
};

}  // namespace tidegate::live::aws
