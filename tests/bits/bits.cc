// What core computes, as one digest a room, and what whole simulated worlds come to, for
// script/bits: builds with other compilers and flags, and machines with and without FMA, must print
// the same lines (docs/development.md, "Bit for bit").

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "bits/digest.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/window.h"
#include "core/control/controller.h"
#include "core/engine/cold_start.h"
#include "core/engine/engine.h"
#include "core/route/router.h"
#include "core/workload/generator.h"
#include "sim/cluster.h"
#include "sim/test_random_world.h"

namespace tidegate::bits {
namespace {

std::int64_t upto(Rng& rng, std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); }

void math(Digest& d) {
  Rng rng(1, "math");
  for (int i = 0; i < 20'000; ++i) {
    double x = rng.uniform() * 1400 - 700, positive = exp(x / 2);
    d.add(exp(x));
    d.add(log(positive));
    d.add(pow(positive, rng.uniform()));
    d.add(sin_turns(x));
    d.add(cos_turns(x));
    d.add(normal_quantile(rng.uniform()));
  }
}

void chance(Digest& d) {
  Rng rng(2, "chance");
  for (int i = 0; i < 20'000; ++i) {
    d.add(rng.below(1 + static_cast<std::uint64_t>(i)));
    d.add(rng.exponential(0.3));
    d.add(rng.normal(5, 2));
    d.add(rng.lognormal_p50_p90(10, 40));
    d.add(rng.gamma(0.7, 3));
  }
}

void windows(Digest& d) {
  Rng rng(3, "windows");
  TimeAverage average;
  Instant now;
  for (int i = 0; i < 5'000; ++i) {
    now += seconds_f(rng.exponential(1.7));
    average.set(rng.uniform() * 100, now, seconds(60));
    d.add(average.mean(now, seconds(60), 0));
    d.add(average.max(now, seconds(30), 0));
  }
  d.add(average);
}

/// A replica short of KV: preemption, prefix hits, chunks, several ranks; and its step law's
/// slow-down.
void engine_life(Digest& d) {
  engine::Options options;
  options.profile.kv_tokens = 20'000;
  options.data_parallel_size = 2;
  options.max_num_seqs = 48;
  engine::Engine engine(options);
  Rng rng(4, "engine");
  Instant now;
  std::vector<engine::EngineEvent> events;
  for (std::uint64_t id = 1; id <= 3'000; ++id) {
    now += seconds_f(rng.exponential(0.12));
    engine.advance(now, events);
    if (id % 500 == 0) engine.set_step_factor(1 + rng.uniform());
    engine::EngineRequest request;
    request.id = RequestId(id);
    request.prompt = Tokens(1 + upto(rng, 3'000));
    request.output = Tokens(1 + upto(rng, 600));
    for (std::int64_t block = 0; block < request.prompt.value() / 16 && block < 20; ++block) {
      request.prefix.push_back((id % 7) * 1'000 + static_cast<std::uint64_t>(block));
    }
    engine.submit(request, now);
  }
  engine.advance(now + seconds(100'000), events);
  for (const engine::EngineEvent& e : events) {
    d.add(e.kind);
    d.add(e.id);
    d.add(e.at);
    d.add(e.cached_tokens);
  }
  d.add(engine.stats().preemptions_total);
  d.add(engine.stats().steps_total);
}

void cold_starts(Digest& d) {
  Rng rng(5, "cold");
  spec::ColdStart cold;
  cold.procurement = {seconds(30), seconds(90), {}};
  cold.image = {{}, {}, {seconds(3), seconds(20), seconds(41)}};
  cold.engine = {seconds(25), seconds(40), {}};
  engine::SharedBandwidth source(1'500'000'000);
  std::vector<ReplicaId> done;
  Instant now;
  for (std::uint64_t id = 1; id <= 300; ++id) {
    engine::StartDraw draw = engine::draw_start(cold, {}, rng);
    d.add(draw.procurement);
    d.add(draw.image);
    d.add(draw.engine);
    now += seconds_f(rng.exponential(4));
    source.advance(now, done);
    source.start(ReplicaId(id), 1 + upto(rng, 30'000'000'000), now);
    d.add(source.next_event());
  }
  d.add(done);
}

/// Every policy that is built, through the plan and the controller, on a load that wanders.
void decisions(Digest& d, spec::PolicyKind policy) {
  spec::Model model;
  model.name = "m";
  model.scaling.policy = policy;
  model.scaling.concurrency_target = 10;
  model.scaling.scale_down_delay = seconds(60);
  model.scaling.prewarm = spec::Prewarm{0.02, seconds(20)};
  spec::Variant variant;
  variant.name = "v";
  variant.max_replicas = Replicas(40);
  model.variants = {variant};
  control::Controller controller(model, 1, {});
  Rng rng(6, "load");
  std::vector<control::Action> actions;
  std::int64_t load = 20, ready = 1;
  Instant now = Instant::from_nanos(1);
  for (int i = 0; i < 600; ++i) {
    now += seconds_f(1 + rng.exponential(3));
    load = std::max<std::int64_t>(0, load + upto(rng, 81) - 39);
    control::Observed seen;
    signal::Observation& o = seen.observation;
    auto fresh = [&](double value) {
      return signal::Signal{value, now, signal::Source::kGateway, signal::Freshness::kFresh, 1};
    };
    o.model = model.name;
    o.at = now;
    o.gateway = fresh(0);
    o.demand.queued_requests = load / 3;
    o.demand.dispatched_requests = load - load / 3;
    o.demand.arrived_total = i * 40;
    o.ttft_p99_seconds = fresh(rng.uniform() * 4);
    o.variants.resize(1);
    o.variants[0].variant = variant.name;
    o.variants[0].fleet.ready = Replicas(ready);
    o.variants[0].kv_usage = fresh(rng.uniform());
    o.variants[0].running_requests = fresh(static_cast<double>(load));
    o.variants[0].engine_waiting_requests = fresh(rng.uniform() * 10);
    o.variants[0].kv_usage_min = fresh(rng.uniform() / 2);
    o.variants[0].kv_usage_max = fresh(0.5 + rng.uniform() / 2);
    o.variants[0].engine_waiting_min = o.variants[0].engine_waiting_max = fresh(rng.uniform() * 5);
    o.variants[0].unsaturated_replicas = fresh(static_cast<double>(upto(rng, ready + 1)));
    o.variants[0].spare_kv_usage = fresh(rng.uniform() * 0.8);
    o.variants[0].spare_waiting = fresh(rng.uniform() * 5);
    o.demand.finished_total = i * 38;
    o.demand.prompt_tokens_total = i * 40 * upto(rng, 900);
    o.demand.output_tokens_total = i * 38 * 200;
    actions.clear();
    controller.handle(seen, now, actions);
    d.add(actions);
    for (const auto& one : controller.view().desired) ready = one.replicas.value();
  }
}

void decisions(Digest& d) {
  for (int kind = 0; kind <= static_cast<int>(spec::PolicyKind::kOracle); ++kind) {
    auto policy = static_cast<spec::PolicyKind>(kind);
    if (policy::is_built(policy)) decisions(d, policy);
  }
}

void routes(Digest& d) {
  route::Options options;
  options.class_weights = {8, 3, 1};
  route::Router router(options);
  Rng rng(7, "routes");
  std::vector<route::Action> actions;
  Instant now;
  for (std::uint64_t id = 1; id <= 5'000; ++id) {
    now += seconds_f(rng.exponential(0.05));
    if (id % 50 == 1) {
      ReplicaId replica(1 + rng.below(8));
      router.handle(route::ReplicaUp{replica, 0, 1 + upto(rng, 20), 100'000, 9'000}, now, actions);
      router.handle(route::Scraped{replica, upto(rng, 9), upto(rng, 3), rng.uniform()}, now,
                    actions);
    }
    route::Arrived arrived;
    arrived.id = RequestId(id);
    arrived.prompt = Tokens(1 + upto(rng, 4'000));
    arrived.max_output = Tokens(upto(rng, 800));
    arrived.priority = upto(rng, 3);
    arrived.tenant = rng.below(5);
    router.handle(arrived, now, actions);
    if (id > 40) {
      route::Finished finished{RequestId(id - 40 + rng.below(20)), Tokens(500), Tokens(0),
                               Tokens(upto(rng, 500))};
      router.handle(finished, now, actions);
    }
    d.add(router.next_wake());
  }
  d.add(actions);
  d.add(router.demand(now));
}

/// All that a world tells: requests, replicas, decisions with all they saw, samples.
struct Told : sim::Recorder {
  explicit Told(Digest& into) : d(into) {}
  void request(const sim::RequestRecord& r) override {
    d.add(r.number);
    d.add(r.dispatched);
    d.add(r.first);
    d.add(r.ended);
    d.add(r.ending);
    d.add(r.met);
    d.add(r.replica);
  }
  void replica(Instant at, const sim::Change& c) override {
    d.add(at);
    d.add(c.id);
    d.add(c.state);
    d.add(c.stages);
  }
  void decision(const control::Decision& one, std::int64_t repeats) override {
    d.add(one);
    d.add(repeats);
  }
  void sample(const sim::Sample& s) override {
    d.add(s.kv_usage);
    d.add(s.ttft_p99_seconds);
    d.add(s.cost_dollars);
  }
  Digest& d;
};

void totals(Digest& d, const sim::World& world) {
  const sim::Totals t = world.totals();
  for (const workload::Sketch* sketch : {&t.score.ttft, &t.score.itl, &t.score.e2e}) {
    d.add(sketch->sum());
    d.add(sketch->quantile(0.99));
  }
  d.add(t.score.met);
  d.add(t.gpu_hours);
  d.add(t.cost_dollars);
}

/// Whole worlds: made requests with everything going wrong, under every policy that is built,
/// behind a gateway and behind a proxy.
void worlds(Digest& d) {
  Told told(d);
  for (int kind = 0; kind <= static_cast<int>(spec::PolicyKind::kOracle); ++kind) {
    auto policy = static_cast<spec::PolicyKind>(kind);
    if (!policy::is_built(policy)) continue;
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
      sim::RandomWorld w = sim::random_world(seed);
      w.options.model.scaling.policy = policy;
      w.options.front = seed % 2 == 0 ? sim::Front::kGateway : sim::Front::kProxy;
      w.options.recorder = &told;
      sim::World world(w.options);
      workload::Generator requests(w.load, seed);
      for (workload::TraceRequest r; requests.next(r);) world.offer(r);
      world.drain();
      world.finish(world.now() + seconds(120));
      totals(d, world);
    }
  }
}

/// Two models on one clock that share their devices.
void cluster(Digest& d) {
  Told told(d);
  workload::Faults faults;
  faults.pools = {{.accelerator = "gpu", .devices = 5}};
  sim::Cluster cluster(faults);
  for (std::uint64_t seed : {3, 4}) {
    sim::RandomWorld w = sim::random_world(seed);
    w.options.model.name = "m" + std::to_string(seed);
    w.options.faults.pools = faults.pools;
    w.options.recorder = &told;
    cluster.add(w.options);
  }
  workload::Part part{.name = "both", .shape = workload::Steady{4}};
  part.models = {{"a", 0.5}, {"b", 0.5}};
  workload::Generator requests({.duration = seconds(300), .parts = {part}}, 1);
  for (workload::TraceRequest r; requests.next(r);) cluster.offer(r.model == "b", r);
  cluster.drain();
  cluster.finish(cluster.now() + seconds(120));
  for (std::size_t i = 0; i < cluster.size(); ++i) totals(d, cluster.world(i));
}

void print(const char* room, void (*fill)(Digest&)) {
  Digest d;
  fill(d);
  std::printf("%s %016" PRIx64 "\n", room, d.value());
}

}  // namespace
}  // namespace tidegate::bits

int main() {
  using namespace tidegate::bits;
  print("math", math);
  print("chance", chance);
  print("windows", windows);
  print("engine", engine_life);
  print("cold-start", cold_starts);
  print("decisions", decisions);
  print("routes", routes);
  print("worlds", worlds);
  print("cluster", cluster);
}
