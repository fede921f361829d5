#pragma once
// Supply: what devices there are for new replicas, and who waits for them: pools that all models
// share, and stock-outs of single variants.
//
//   Supply supply(faults);
//   int me = supply.join(model);                          // one a fleet
//   if (!supply.claim(me, id, variant, now)) wait();      // told by advance() later
//   supply.free(me, id, now);                             // gone, or it waits no longer
//   if (supply.next_event(me) <= now) supply.advance(me, now, granted);
//
// First come, first served in each pool: who cannot be served yet holds up those behind it there,
// so that a replica of many devices is not starved by small ones. A claim that a stock-out holds
// back holds up nobody. A variant without a pool and a stock-out has what it asks. Grants are at
// the instant that made them possible; the owners of one Supply must be stepped in order of time.
// Thread-safety: one owner.

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/spec/model.h"
#include "core/workload/faults.h"

namespace tidegate::sim {

/// A time that a fault gives, from the start of the trace; Duration::max() is never.
inline Instant fault_time(Duration d) {
  return d == Duration::max() ? Instant::never() : Instant() + d;
}

class Supply {
 public:
  explicit Supply(const workload::Faults& faults);

  /// A fleet that will claim; the number to name it by.
  std::size_t join(const spec::Model& model);
  /// True: granted. False: it waits.
  bool claim(std::size_t owner, ReplicaId id, std::size_t variant, Instant now);
  /// Already there from the beginning, whether there is room or not.
  void adopt(std::size_t owner, ReplicaId id, std::size_t variant);
  void free(std::size_t owner, ReplicaId id, Instant now);
  /// Replicas of the variant that have what they asked for.
  std::int64_t granted(std::size_t owner, std::size_t variant) const;

  Instant next_event(std::size_t owner) const;
  /// Claims that were waiting and are granted by now, in order of their claims.
  void advance(std::size_t owner, Instant now, std::vector<ReplicaId>& granted);

 private:
  struct Line {  ///< of one variant
    std::ptrdiff_t pool = -1;
    std::int64_t devices = 1;
    std::vector<workload::StockOut> outs;
    std::int64_t granted = 0;
  };
  struct Pool {
    std::int64_t devices = 0, taken = 0;
  };
  using Claim = std::pair<std::size_t, ReplicaId>;  ///< owner and replica
  struct Waiting {
    Claim claim;
    std::size_t variant = 0;
  };
  Line& line(const Claim& claim, std::size_t variant) { return owners_[claim.first][variant]; }
  bool in_stock(const Line& line, Instant now) const;
  void take(const Claim& claim, std::size_t variant);
  void serve(Instant now);
  Instant next_boundary(Instant after) const;

  std::vector<workload::DevicePool> named_;
  std::vector<workload::StockOut> outs_;
  std::vector<Pool> pools_;
  std::vector<std::vector<Line>> owners_;
  std::map<Claim, std::size_t> holders_;         ///< -> variant
  std::deque<Waiting> waiting_;                  ///< in order of claim
  std::vector<std::pair<Instant, Claim>> told_;  ///< granted and not yet handed out
  Instant served_until_;                         ///< boundaries up to here are done
};

}  // namespace tidegate::sim
