#pragma once
// Runs a credential plugin and reads the ExecCredential it prints. Its output goes through a pipe,
// never to a file or log: it holds secrets.
//
//   ExecRun run(loop, plugin, info, [](Result<Credential> c) { ... });   // destroyed: killed
//
// `done` is called once, never from inside the constructor; kPluginTime is the limit. Source:
// client.authentication.k8s.io/v1. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <string>

#include "live/kube/access.h"

namespace tidegate::live::kube {

/// What a call carries to say who we are.
struct Credential {
  std::string authorization;  ///< value of the header; empty: none
  std::string certificate_pem, key_pem;
  WallTime expires;  ///< zero: never
};

/// Of the whole text a plugin printed.
Result<Credential> parse_exec_credential(std::string_view text);

class ExecRun {
 public:
  static constexpr Duration kPluginTime = seconds(60);
  static constexpr std::size_t kMaxOutput = 1 << 20;

  /// `info` is the value of KUBERNETES_EXEC_INFO.
  ExecRun(net::Loop& loop, const ExecPlugin& plugin, const std::string& info,
          std::function<void(Result<Credential>)> done);
  ~ExecRun();
  ExecRun(const ExecRun&) = delete;
  ExecRun& operator=(const ExecRun&) = delete;

 private:
  Result<void> start(const ExecPlugin& plugin, const std::string& info);
  void read();
  void finish(Result<Credential> result);

  net::Loop& loop_;
  std::string name_;
  std::function<void(Result<Credential>)> done_;
  int pid_ = 0, pipe_ = -1;
  bool ended_ = false;
  std::string output_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::kube
