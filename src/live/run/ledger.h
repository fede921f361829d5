#pragma once
// Ledger: what one model's fleet costs, and how its starts went. World time; billed from order to
// gone.
//
//   ledger.replica(info, now);          // every change of every replica
//   ledger.settle(now);                 // before reading
//   ledger.cost_dollars();
//
// Thread-safety: one owner.

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/control/cold_starts.h"
#include "core/spec/model.h"
#include "core/workload/workload.h"
#include "live/actuate/actuator.h"

namespace tidegate::live {

/// Buckets of tidegate_cold_start_seconds.
inline constexpr std::array<double, 13> kColdStartBounds = {0.5, 1,  2,   5,   10,  20, 30,
                                                            60,  90, 120, 180, 300, 600};

/// Starts from one state, and the times of one of their stages.
struct StageHistogram {
  std::vector<std::int64_t> counts = std::vector<std::int64_t>(kColdStartBounds.size() + 1);
  double sum_seconds = 0;
};
using StageKey = std::pair<control::StartFrom, control::StartStage>;

class Ledger {
 public:
  void set_model(const spec::Model& model);
  void replica(const ReplicaInfo& info, Instant now);
  /// Bills everything that exists up to `now`.
  void settle(Instant now);

  double cost_dollars() const { return cost_dollars_; }
  double gpu_hours() const { return gpu_hours_; }
  double replica_hours() const { return replica_hours_; }
  /// Of those asleep, which are none of the replica-hours, nor of the peak.
  double sleeper_hours() const { return sleeper_hours_; }
  std::int64_t replicas_peak() const { return peak_; }
  /// Wakes are none.
  std::int64_t cold_starts() const { return starts_; }
  std::int64_t wakes() const { return wakes_; }
  const workload::Sketch& cold_start_seconds() const { return cold_start_; }
  /// What was seen of each stage; at most kStartFroms * kStartStages.
  const std::map<StageKey, StageHistogram>& stages() const { return stages_; }
  /// What this fleet would have cost, had it been the peak from the start.
  double fixed_at_peak_dollars(Instant now) const;

 private:
  struct Price {
    double cost_per_hour_dollars = 0;
    double devices = 1;
  };
  struct Prices {
    Price awake, asleep;
  };
  struct Billed {
    std::string variant;
    bool asleep = false;
  };
  const Price& price_of(const Billed& billed) {
    const Prices& of = prices_[billed.variant];
    return billed.asleep ? of.asleep : of.awake;
  }
  void started(const control::StageTimes& start);

  std::map<std::string, Prices> prices_;
  std::map<ReplicaId, Billed> billed_;
  Instant since_ = Instant::never();  ///< billed up to here
  Instant first_ = Instant::never();
  double cost_dollars_ = 0, gpu_hours_ = 0, replica_hours_ = 0, sleeper_hours_ = 0;
  double peak_rate_dollars_ = 0;
  std::int64_t peak_ = 0, starts_ = 0, wakes_ = 0;
  workload::Sketch cold_start_;
  std::map<StageKey, StageHistogram> stages_;
};

}  // namespace tidegate::live
