#pragma once
// Reporter: tells a sink what happened, in order, never from inside a call into the actuator. A
// sink may therefore call apply() at once.
//
//   Reporter reporter(loop, sink);
//   reporter.replica(info);           // copied now, told before the loop sleeps
//
// Thread-safety: the loop's thread. What is not yet told when it dies is not told.

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "live/actuate/actuator.h"
#include "live/net/loop.h"

namespace tidegate::live {

class Reporter {
 public:
  Reporter(net::Loop& loop, ActuatorSink sink)
      : loop_(loop), sink_(std::make_shared<ActuatorSink>(std::move(sink))) {}

  void replica(const ReplicaInfo& info) {
    tell([sink = sink_, info] {
      if (sink->replica_changed) sink->replica_changed(info);
    });
  }
  void capacity_failed(const control::CapacityFailed& event) {
    tell([sink = sink_, event] {
      if (sink->capacity_failed) sink->capacity_failed(event);
    });
  }
  void applied(const control::Applied& event) {
    tell([sink = sink_, event] {
      if (sink->applied) sink->applied(event);
    });
  }
  /// Anything else that must come after what was reported so far.
  void tell(std::function<void()> what) {
    queue_->push_back(std::move(what));
    if (queue_->size() > 1) return;
    loop_.defer([waiting = std::weak_ptr(queue_)] {
      auto queue = waiting.lock();
      if (!queue) return;
      std::vector<std::function<void()>> batch;
      batch.swap(*queue);
      for (auto& next : batch) next();
    });
  }

 private:
  net::Loop& loop_;
  std::shared_ptr<ActuatorSink> sink_;
  std::shared_ptr<std::vector<std::function<void()>>> queue_ =
      std::make_shared<std::vector<std::function<void()>>>();
};

}  // namespace tidegate::live
