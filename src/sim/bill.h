#pragma once
// Bill: what a fleet costs, to the nanosecond: every replica from grant to gone.
//
//   bill.granted(variant, now); bill.gone(variant, now); bill.settle(end);
//   bill.gone(variant, now); bill.sleeper_granted(variant, now);    // it sleeps
//
// A sleeper is no replica-hour: it has hours and a price of its own (warmPool.costPerHour), and its
// devices are billed where it holds them.
// Integer replica-nanoseconds a variant, so that nothing depends on how often it is settled.
// Thread-safety: one owner.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::sim {

class Bill {
 public:
  explicit Bill(const spec::Model& model);
  void granted(std::size_t variant, Instant now);
  void gone(std::size_t variant, Instant now);
  void sleeper_granted(std::size_t variant, Instant now);
  void sleeper_gone(std::size_t variant, Instant now);
  /// Bills all that is there up to `now`, which never goes back.
  void settle(Instant now);

  double replica_hours() const;
  double sleeper_hours() const;
  /// Hours times the devices of each, sleepers' where they hold them.
  double gpu_hours() const;
  double cost_dollars() const;
  std::int64_t replicas() const { return replicas_; }
  std::int64_t peak() const { return peak_; }

 private:
  struct Line {
    double cost_per_hour_dollars = 0;
    double devices = 0;
    double sleeper_cost_per_hour_dollars = 0;
    double sleeper_devices = 0;
    std::int64_t replicas = 0, sleepers = 0;
    __int128 replica_nanos = 0, sleeper_nanos = 0;
    double hours() const { return static_cast<double>(replica_nanos) / 3.6e12; }
    double sleeper_hours() const { return static_cast<double>(sleeper_nanos) / 3.6e12; }
  };
  std::vector<Line> lines_;
  Instant since_;
  std::int64_t replicas_ = 0, peak_ = 0;
};

}  // namespace tidegate::sim
