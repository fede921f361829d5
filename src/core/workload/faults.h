#pragma once
// Faults: what goes wrong in a simulated world, and when. Part of a Scenario.
//
//   Faults faults{.scrape_loss = 0.1, .stock = {{.accelerator = "h100", .devices = 8}}};
//
// Times count from the start of the trace. An empty variant means every variant, an empty model
// every model. Plain values; all chance is drawn from the seed of the world. Thread-safety: values.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace tidegate::workload {

/// From `from` to `until` the cluster grants no replica of the variant beyond `replicas`: what is
/// ordered waits in procurement.
struct StockOut {
  std::string model, variant;
  Duration from{0};
  Duration until = Duration::max();
  std::int64_t replicas = 0;
  bool operator==(const StockOut&) const = default;
};

/// A pool of devices that all models share: a start waits in procurement, first come first served,
/// until hardware.count devices of its accelerator are free.
struct DevicePool {
  std::string accelerator;
  std::int64_t devices = 0;
  bool operator==(const DevicePool&) const = default;
};

/// Replicas are taken away: told `notice` before (they drain), then gone with what they still hold.
/// `count` of the youngest ready ones at `at`.
struct Reclaim {
  std::string model, variant;
  Duration at{0};
  std::int64_t count = 1;
  Duration notice{0};
  bool operator==(const Reclaim&) const = default;
};

/// The same without a time: each ready replica is taken after an exponential time of this mean.
struct SpotRisk {
  std::string model, variant;
  Duration mean_life{0};  ///< > 0
  Duration notice{0};
  bool operator==(const SpotRisk&) const = default;
};

/// Ready replicas (`count` of the oldest) step `factor` times slower for a while.
struct Slowdown {
  std::string model, variant;
  Duration from{0};
  Duration until = Duration::max();
  std::int64_t count = 1;
  double factor = 2;  ///< >= 1
  bool operator==(const Slowdown&) const = default;
};

/// No page is read at all.
struct ScrapeOutage {
  Duration from{0};
  Duration until = Duration::max();
  bool operator==(const ScrapeOutage&) const = default;
};

struct Faults {
  Duration scrape_delay = millis(500);  ///< read -> known
  double scrape_loss = 0;               ///< share of pages that never arrive, 0..1
  std::vector<ScrapeOutage> scrape_outages;
  Duration actuation_delay{0};   ///< order given -> taken by the cluster
  double actuation_failure = 0;  ///< share of orders the cluster refuses, 0..1
  double start_failure = 0;      ///< share of starts that fail when their engine starts, 0..1
  std::vector<StockOut> stock_outs;
  std::vector<DevicePool> pools;  ///< accelerators that are not named have no bound
  std::vector<Reclaim> reclaims;
  std::vector<SpotRisk> spot;
  std::vector<Slowdown> slowdowns;
  bool operator==(const Faults&) const = default;
};

}  // namespace tidegate::workload
