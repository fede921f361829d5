#pragma once
// CommandRunner: one command at a time, with a time limit, its output in a bounded file.
//
//   CommandRunner runner(loop, ".tidegate/logs/m-h100-scale.log");
//   runner.run({"./scale.sh", "3"}, seconds(60), [](Result<std::string> output) { ... });
//
// The file holds the output of the latest run; at most kMaxOutput bytes of it are read. Non-zero
// exits, signals and time-outs (the whole group is killed) are errors that quote the last line. The
// time limit is wall time. Destroyed while a command runs: it is killed. Thread-safety: the loop's
// thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "live/net/loop.h"

namespace tidegate::live {

class CommandRunner {
 public:
  static constexpr std::size_t kMaxOutput = 256 << 10;

  CommandRunner(net::Loop& loop, std::string output_path);
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  bool running() const { return running_; }  ///< until `done` is called
  /// `done` is called once, never from inside run(). Only while not running().
  void run(const std::vector<std::string>& words, Duration limit,
           std::function<void(Result<std::string>)> done);
  void kill();

 private:
  void ended();
  void finish(Result<std::string> result);
  std::string output() const;

  net::Loop& loop_;
  std::string path_;
  bool running_ = false;
  int pid_ = 0;
  bool late_ = false;
  std::string program_;
  Duration limit_{0};
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::function<void(Result<std::string>)> done_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
