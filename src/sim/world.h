#pragma once
// World: one model under one policy, in virtual time. Around the very controller and router that
// production runs stand an event queue, core/engine for every replica, and Fleet for the cluster.
//
//   World world(options);
//   for (workload::TraceRequest r; trace.next(r);) world.offer(r);
//   world.drain();                    // every request has ended
//   world.finish(end);                // decides and bills on to `end`
//   print(world.totals().score.attainment());
//
// The controller is shown an observation each `tick`, engines are read each `scrape_period`, and
// what was read is known a delay later; an order reaches the cluster another delay after
// it was given. The router hears of progress once a scrape, never per token, and each engine has
// one next wake. Things happen in order of time; at one instant engines come first (by replica),
// then the cluster, then what was scheduled (in the order it was), the router's deadlines, the
// controller, and arrivals last (in the order offered). All chance is from `seed`. Memory grows
// with what is in flight and with the replicas ever started, not with the trace. Instant 0 is the
// start of the trace, a Monday 00:00 UTC for schedules. Thread-safety: one owner.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/control/controller.h"
#include "core/engine/engine.h"
#include "core/signal/page.h"
#include "core/spec/model.h"
#include "core/workload/faults.h"
#include "core/workload/front.h"
#include "core/workload/workload.h"
#include "sim/recorder.h"
#include "sim/supply.h"

namespace tidegate::sim {

using workload::Front;  ///< with kProxy a policy knows only what the engines say

/// An order at a time. A schedule is in order of time.
struct ScheduleStep {
  Duration at{0};
  std::size_t variant = 0;
  std::int64_t replicas = 0;
  std::vector<ReplicaId> victims = {};  ///< who stops first, where it lowers
  bool operator==(const ScheduleStep&) const = default;
};
using Schedule = std::vector<ScheduleStep>;

/// What requests say of their output: exactly how much, as `load` sends it, or nothing, so that the
/// router has to learn it.
enum class OutputLimit : std::uint8_t { kExact, kUnsaid };

struct WorldOptions {
  spec::Model model;                  ///< with the policy to run, its profiles resolved
  std::vector<std::int64_t> initial;  ///< replicas ready at the start, one a variant
  std::uint64_t seed = 1;
  std::int64_t prefix_block_tokens = 16;  ///< what a hash of a request's prefix covers
  Duration tick = seconds(1);
  Duration scrape_period = seconds(1);
  workload::Faults faults;
  Front front = Front::kGateway;
  /// Shared by the worlds of several models; made from `faults` where null.
  std::shared_ptr<Supply> supply = {};
  std::optional<Schedule> schedule = {};  ///< the fleet follows it, no policy is asked
  Recorder* recorder = nullptr;           ///< must outlive the world
  /// What an engine's statistics become when it is read; empty: a page without the detour through
  /// text (sim/compare/text_pages.h takes it). The page is valid until the next call.
  std::function<const signal::Page&(const engine::Stats&)> pages = {};
  OutputLimit output_limit = OutputLimit::kExact;
};

struct Totals {
  workload::Score score;
  std::int64_t too_long = 0;  ///< of the rejected: can never fit the engine
  std::int64_t output_tokens = 0;
  std::int64_t scale_ups = 0, scale_downs = 0;
  std::int64_t cold_starts = 0;
  bool warm_pool = false;  ///< the model may have replicas asleep; else none of these two
  std::int64_t wakes = 0;
  double sleeper_hours = 0;
  std::int64_t queue_peak = 0;  ///< requests
  std::int64_t replicas_peak = 0;
  double replicas_mean = 0;  ///< as the peak, of those that are not asleep
  double gpu_hours = 0, replica_hours = 0, cost_dollars = 0;
  Duration busy{0};  ///< sum over requests of the time at an engine
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(World&&) noexcept;
  World& operator=(World&&) noexcept;

  /// Requests in order of time; earlier than the last one counts as that one's.
  void offer(const workload::TraceRequest& request);
  /// When something happens next; never() where nothing will.
  Instant next() const;
  /// Runs all that happens up to and including `to`.
  void run_until(Instant to);
  /// Runs until nothing is in flight.
  void drain();
  /// Runs to `end`, not before now(), and bills.
  void finish(Instant end);
  Instant now() const;
  std::int64_t in_flight() const;
  Totals totals() const;
  control::View view() const;
  /// What the cluster was told so far, order by order: played again as a schedule it gives the same
  /// fleet.
  const Schedule& realised() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::sim
