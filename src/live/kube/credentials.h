#pragma once
// Credentials: what each call carries, kept fresh. Token files are read again each kTokenPeriod and
// after a 401; plugins are run again shortly before their credential expires and after a 401.
//
//   Credentials who(loop, access);
//   who.get([](Result<Credential> c) { ... });   // at once where it is known
//   who.refused(used);                           // the server said 401 to this one
//
// One plugin runs at a time; all who wait are told. A plugin that fails is not run again within
// kPluginPause: who asks is told its last error. Wall time. Thread-safety: the loop's thread.

#include <memory>
#include <vector>

#include "live/kube/exec_plugin.h"

namespace tidegate::live::kube {

class Credentials {
 public:
  static constexpr Duration kTokenPeriod = seconds(60);
  static constexpr Duration kBeforeExpiry = seconds(10);
  static constexpr Duration kPluginPause = seconds(5);
  using Told = std::function<void(const Result<Credential>&)>;

  Credentials(net::Loop& loop, const Access& access);
  void get(Told told);
  /// False: nothing fresher can be had, so asking again is of no use.
  bool refused(const Credential& used);

 private:
  Result<Credential> from_file();
  void run_plugin();

  net::Loop& loop_;
  Identity identity_;
  std::string info_;  ///< KUBERNETES_EXEC_INFO
  Credential known_;
  bool have_ = false;
  Instant read_at_;                      ///< the token file
  Instant tried_at_ = Instant::never();  ///< the plugin, when it failed last
  std::string failure_;
  std::unique_ptr<ExecRun> run_;
  std::vector<Told> waiting_;
};

}  // namespace tidegate::live::kube
