#pragma once
// Machine: one ready replica's engine, and what scrapes have read from it.
//
// A scrape fills in the same page a real engine's text would become and reads it with the same
// meter, so that a decision sees what it would see in production. Thread-safety: one owner.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/engine/engine.h"
#include "core/route/slab.h"
#include "core/signal/page.h"
#include "core/signal/replica_signals.h"

namespace tidegate::sim {

struct Machine {
  ReplicaId id;
  std::optional<engine::Engine> engine;
  Instant wake = Instant::never();
  route::Slot place = route::kNil;  ///< in the heap of wakes
  signal::ReplicaMeter meter;
  std::optional<signal::ReplicaSignals> read;     ///< by the last scrape, perhaps still on its way
  std::optional<signal::ReplicaSignals> signals;  ///< as delivered last
  std::int64_t output_tokens = 0;                 ///< produced, as of the last scrape
  std::int64_t held = 0;                          ///< requests
  Instant busy_since;                             ///< while held > 0
  std::int64_t in_flight = 0, in_flight_tokens = 0;  ///< as the router said last
};

/// Turns engine statistics into pages of the vLLM dialect.
class PageWriter {
 public:
  PageWriter();
  const signal::Page& write(const engine::Stats& stats);

 private:
  void add(signal::SignalId id, double value);
  signal::Page page_;
  std::vector<std::uint16_t> rows_;  ///< of each signal: its first row
};

/// What the engine of a replica of this variant is.
engine::Options engine_options(const spec::Variant& variant, std::int64_t prefix_block_tokens);

}  // namespace tidegate::sim
