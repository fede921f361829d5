#pragma once
// The inside of World: what is in flight, and how each kind of event is handled. world.cc has the
// clockwork and the requests, world_fleet.cc the replicas and the controller.

#include <deque>
#include <memory>
#include <vector>

#include "core/control/observe.h"
#include "core/control/replicas.h"
#include "core/route/router.h"
#include "core/route/slab.h"
#include "core/workload/recent.h"
#include "sim/event_queue.h"
#include "sim/fleet.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace tidegate::sim {

/// A request's id is its number in order of arrival, then its slot: ids grow, slots are found.
constexpr int kSlotBits = 24;
constexpr std::uint64_t kSlotMask = (1ULL << kSlotBits) - 1;

/// After a start that found no device the controller asks again.
constexpr Duration kStockRetry = seconds(30);

/// A request between arrival and its end.
struct Open {
  RequestId id;
  Instant arrived, dispatched, first;
  std::int64_t prompt = 0, output = 0, cached = 0;
  std::int64_t priority = 0;
  std::size_t machine = 0;
  bool live = false;    ///< has not ended
  bool waits = false;   ///< at the gateway
  bool served = false;  ///< its first token is out
  std::vector<std::uint64_t> prefix;
};

struct World::State {
  explicit State(WorldOptions given);

  // ---- clockwork ----
  enum class Kind : std::uint8_t {
    kTick,
    kLook,
    kScrape,
    kPages,
    kApply,
    kSchedule,
    kReclaim,
    kSpot,
    kLose,
    kSlow,
    kSlowEnd
  };
  struct Due {
    Kind kind = Kind::kTick;
    std::uint64_t what = 0;  ///< a fault, a replica
  };
  Instant next() const;
  void step(Instant at);
  void run_until(Instant to);
  void happen(Due due);
  void page_or_order(Due due);
  void settle();
  void plan_schedule();

  // ---- requests ----
  void arrive(const workload::TraceRequest& request);
  void say(const route::Event& event);
  void perform(const route::Action& action);
  void dispatch(const route::Dispatch& action);
  void deliver(const engine::EngineEvent& event);
  void end(Open& open, workload::Ending ending);
  Open& open_of(RequestId id);
  std::uint32_t take_slot();

  // ---- engines ----
  struct WakeOrder;
  void run_machine(std::size_t index);
  void advance_machine(Machine& machine);
  void rewake(std::size_t index);
  void forget(std::size_t index);
  void hold(Machine& machine, std::int64_t change);

  // ---- replicas and the controller ----
  void on_change(const Change& change);
  void bring_up(const Change& change);
  void take_down(ReplicaId id);
  void control_event(const control::Event& event);
  void perform(const control::Action& action);
  void carry_out(const control::Action& order);
  void apply(const control::Apply& apply);
  void scrape();
  void pages_arrive();
  void look();
  void observe();

  // ---- what goes wrong ----
  bool concerns(const std::string& model, const std::string& variant, std::size_t index) const;
  void plan_faults();
  void reclaim(const workload::Reclaim& order);
  void draw_life(ReplicaId id, std::size_t variant);
  void spot_taken(ReplicaId id);
  void take_back(ReplicaId id, Duration notice);
  void lose(ReplicaId id);
  void slow_down(std::size_t index);
  void set_pace(std::size_t index, double factor);
  bool page_lost();
  bool order_refused();
  void tell_blocked();

  // ---- for the recorder ----
  void record(const Open& open, workload::Ending ending, bool met);
  void sample();

  WorldOptions options;
  route::Router router;
  control::Controller controller;
  Fleet fleet;
  Instant now;

  EventQueue<Due> queue;
  std::deque<control::Action> orders;  ///< on their way, in order
  std::size_t schedule_next = 0;       ///< of options.schedule
  Schedule realised;
  Instant router_wake = Instant::never(), controller_wake = Instant::never();

  std::vector<std::unique_ptr<Machine>> machines;  ///< by replica id - 1
  route::IndexedHeap wakes;                        ///< of machines, by (wake, index)
  std::vector<std::size_t> up;                     ///< machines there are, ascending
  PageWriter page_writer;

  std::vector<Open> open;  ///< by the low bits of the request's id
  std::vector<std::uint32_t> free_slots;
  std::uint64_t last_request = 0;
  std::int64_t in_flight = 0, waiting = 0;
  route::Event arrived_event = route::Arrived{};  ///< reused: no allocation a request

  std::vector<engine::EngineEvent> engine_events;
  std::vector<route::Action> route_actions;
  std::vector<Change> changes;
  std::deque<Change> pending_changes;
  std::deque<ReplicaId> pending_drained;
  std::deque<control::Event> pending_control;
  std::vector<control::Action> control_actions;
  std::vector<control::ReplicaSight> sights;

  Rng scrape_rng, actuation_rng, spot_rng;
  std::vector<std::vector<ReplicaId>> slowed;  ///< one a slowdown

  workload::RecentQuantile recent_ttft, recent_itl;
  signal::FreshnessRule freshness;
  std::vector<std::int64_t> applied;  ///< awake, one a variant
  std::int64_t active_replicas = 0;   ///< at the last look
  bool look_pending = false;
  Totals totals;
};

}  // namespace tidegate::sim
