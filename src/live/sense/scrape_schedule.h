#pragma once
// When to scrape: pure arithmetic of phases and back-off, so that it can be tested without a clock.
//
// Each target has its own phase within the period, by hash of (seed, id): thousands of targets that
// were added at once do not answer at once. Failures double the pause up to a limit, each pause
// varied by a fifth either way, also by hash. Deterministic. Units: wall time.

#include <cstdint>

#include "core/base/strong.h"
#include "core/base/time.h"

namespace tidegate::live {

/// In [0, period).
Duration scrape_phase(std::uint64_t seed, ReplicaId id, Duration period);
/// The next point of the grid due + k * period that is after `now`: late scrapes are skipped, not
/// made up.
Instant next_on_grid(Instant due, Instant now, Duration period);
/// Pause after the n-th failure in a row (n >= 1): period * 2^n, at most `limit`, within a fifth.
Duration scrape_backoff(std::uint64_t seed, ReplicaId id, int failures, Duration period,
                        Duration limit);

}  // namespace tidegate::live
