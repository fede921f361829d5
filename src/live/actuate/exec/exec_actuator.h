#pragma once
// ExecActuator: a fleet that somebody else runs and a command resizes.
//
//   target: {exec: {scaleTo: ["./scale.sh", "{replicas}"], list: ["./urls.sh"]}}
//
// apply() runs `scaleTo` with {replicas} {model} {variant} replaced; one run at a time, of what was
// asked last. A failed run is told (applied, not ok), retried with back-off (1 s, doubled, at most
// 60 s of world time), and from the third in a row on is CapacityFailed. `list` runs every
// `list_period` and prints one http URL a line: each is a replica, probed like an endpoint; a list
// that fails changes nothing. Without `list` there are no replicas to route to. The fleet is not
// ours to stop: shutdown() leaves it. `timeout` and the periods are wall time. Thread-safety: the
// loop's thread.

#include "live/actuate/endpoints/endpoint_set.h"
#include "live/actuate/exec/command_runner.h"

namespace tidegate::live {

struct ExecOptions {
  std::string state_dir = ".tidegate";  ///< output of the commands is in its `logs/`
  Duration list_period = seconds(2);
  EndpointOptions endpoints;
};

class ExecActuator final : public Actuator {
 public:
  /// Error: no command to scale with.
  static Result<std::unique_ptr<ExecActuator>> create(EndpointWorld world, ExecOptions options,
                                                      const spec::Model& model,
                                                      const spec::Variant& variant,
                                                      ActuatorSink sink);
  ~ExecActuator() override;

  void adopt() override;
  void apply(const control::Apply& wanted) override;
  void drained(ReplicaId) override {}
  void sleep(ReplicaId, int) override {}
  void wake(ReplicaId) override {}
  void reload(const spec::Model& model, const spec::Variant& variant) override;
  std::vector<ReplicaInfo> replicas() const override { return set_.replicas(); }
  void shutdown(std::function<void()> done) override;

 private:
  ExecActuator(EndpointWorld world, ExecOptions options, const spec::Model& model,
               const spec::Variant& variant, ActuatorSink sink);
  std::vector<std::string> words(const std::vector<std::string>& command) const;
  void scale();
  void scaled(std::int64_t replicas, const Result<std::string>& output);
  void list();
  void listed(const Result<std::string>& output);
  void finish_shutdown();
  const spec::ExecTarget& target() const { return std::get<spec::ExecTarget>(variant_.target); }

  EndpointWorld world_;
  ExecOptions options_;
  spec::Model model_;
  spec::Variant variant_;
  Reporter reporter_;
  EndpointSet set_;
  CommandRunner scaler_, lister_;
  std::int64_t wanted_ = -1, applied_ = -1;  ///< -1: none yet
  int failures_ = 0;                         ///< in a row
  net::Loop::TimerId retry_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId list_timer_ = net::Loop::TimerId::kNone;
  bool stopping_ = false;
  std::vector<std::function<void()>> done_;
};

}  // namespace tidegate::live
