#pragma once
// TestWorld: what an actuator under test lives in, and a record of everything it reported.
//
//   TestWorld world;
//   ProcessActuator actuator({...world...}, sink = world.sink());
//   ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 2; }));
//
// World time runs 100 times as fast as the wall, so that back-offs and time-outs of the spec take
// no time.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "live/actuate/actuator.h"
#include "live/net/clock.h"
#include "live/net/http_client.h"
#include "live/net/log.h"
#include "live/net/loop.h"
#include "live/store/journal.h"

namespace tidegate::live {

/// A directory that is gone with the value.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "actuate-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Which state may follow which; gone ends, failed may recover (perhaps asleep) only where engines
/// are not ours.
inline bool legal(std::optional<control::ReplicaState> before, control::ReplicaState after) {
  using S = control::ReplicaState;
  auto one_of = [&](std::initializer_list<S> states) {
    return std::find(states.begin(), states.end(), after) != states.end();
  };
  if (!before) return one_of({S::kOrdered, S::kStarting, S::kFailed});
  switch (*before) {
    case S::kOrdered:
      return one_of({S::kStarting, S::kFailed, S::kDraining});
    case S::kStarting:
      return one_of({S::kReady, S::kSleeping, S::kFailed, S::kDraining, S::kGone});
    case S::kReady:
      return one_of({S::kDraining, S::kFailed, S::kGone});
    case S::kSleeping:
      return one_of({S::kStarting, S::kDraining, S::kFailed});
    case S::kDraining:  // to sleep, unless the engine refuses
      return one_of({S::kSleeping, S::kReady, S::kFailed, S::kGone});
    case S::kFailed:
      return one_of({S::kGone, S::kReady, S::kSleeping});
    case S::kGone:
      return false;
  }
  return false;
}

class TestWorld {
 public:
  static constexpr double kScale = 100;
  static constexpr Duration kPatience = seconds(20);  // wall; only a failing test waits that long

  explicit TestWorld(const std::string& state_dir, double scale = kScale)
      : clock_(scale), state_dir_(state_dir) {
    net::configure_log(net::Level::kError, net::LogFormat::kText);
    auto journal = Journal::open(state_dir + "/journal.db");
    EXPECT_TRUE(journal) << journal.error().message;
    journal_ = std::move(*journal);
  }

  net::Loop& loop() { return *loop_; }
  net::HttpClient& client() { return client_; }
  const net::WorldClock& clock() const { return clock_; }
  Journal& journal() { return *journal_; }
  const std::string& state_dir() const { return state_dir_; }

  /// Records, and fails the test at a state that may not follow the one before.
  ActuatorSink sink() {
    return {[this](const ReplicaInfo& info) { changed(info); },
            [this](const control::CapacityFailed& event) { capacity_failed.push_back(event); },
            [this](const control::Applied& event) { applied.push_back(event); }};
  }
  /// Also of what the loop does not see (files, processes): it looks again each millisecond.
  bool until(const std::function<bool()>& done) {
    net::Loop::TimerId look{};
    std::function<void()> again = [&] { look = loop_->after(millis(1), again); };
    again();
    bool reached = loop_->run_until(done, kPatience);
    loop_->cancel(look);
    return reached;
  }
  /// Runs what is due now, and nothing that a timer would bring.
  void settle() {
    for (int i = 0; i < 20; ++i) loop_->run_for(Duration(0));
  }
  std::int64_t in_state(control::ReplicaState state) const {
    return std::count_if(last.begin(), last.end(),
                         [&](const auto& entry) { return entry.second.state == state; });
  }
  /// Known and in this state.
  bool is(ReplicaId id, control::ReplicaState state) const {
    auto it = last.find(id);
    return it != last.end() && it->second.state == state;
  }
  /// Reported in this state at some time: what a state that passes by itself is waited for with.
  bool was(ReplicaId id, control::ReplicaState state) const {
    return std::any_of(reports.begin(), reports.end(), [&](const ReplicaInfo& info) {
      return info.id == id && info.state == state;
    });
  }
  /// A small answer of an engine, by the loop.
  net::Response ask(const net::Address& address, const std::string& method,
                    const std::string& path) {
    net::Response out;
    bool answered = false;
    net::ClientRequest request;
    request.address = address;
    request.method = method;
    request.path = path;
    client_.fetch(std::move(request), [&](Result<net::Response> answer) {
      answered = true;
      if (answer) out = *answer;
    });
    EXPECT_TRUE(until([&] { return answered; }));
    return out;
  }

  std::vector<ReplicaInfo> reports;       ///< in order
  std::map<ReplicaId, ReplicaInfo> last;  ///< of each replica; gone ones stay
  std::vector<control::CapacityFailed> capacity_failed;
  std::vector<control::Applied> applied;
  std::function<void(const ReplicaInfo&)> on_change;  ///< what a test does at once

 private:
  void changed(const ReplicaInfo& info) {
    auto before = last.find(info.id);
    std::optional<control::ReplicaState> state;
    if (before != last.end()) state = before->second.state;
    EXPECT_TRUE(legal(state, info.state))
        << "replica " << info.id.value() << ": " << (state ? token(*state) : "nothing") << " -> "
        << token(info.state) << " " << info.detail;
    reports.push_back(info);
    last[info.id] = info;
    if (on_change) on_change(info);
  }

  std::unique_ptr<net::Loop> loop_ = net::Loop::create().value();
  net::HttpClient client_{*loop_};
  net::WorldClock clock_;
  std::string state_dir_;
  std::unique_ptr<Journal> journal_;
};

}  // namespace tidegate::live
