#include "live/emulator/emulator.h"

#include <fmt/format.h>

#include "core/engine/cold_start.h"
#include "live/emulator/emulator_state.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using Stages = std::vector<std::pair<std::string_view, Duration>>;

/// The stages of a start from nothing, last first; those that take no time are left out.
Stages draw_stages(const spec::ColdStart& cold, Rng& rng) {
  spec::NodeState nothing{.node_exists = 0};
  engine::StartDraw draw = engine::draw_start(cold, nothing, rng);
  Duration weights = draw.weights;
  if (draw.weight_bytes > 0) {
    weights = seconds_f(static_cast<double>(draw.weight_bytes) /
                        static_cast<double>(draw.source_bandwidth_bytes_per_second));
  }
  Stages stages;
  for (auto [name, time] : {std::pair<std::string_view, Duration>("engine", draw.engine),
                            {"weights", weights},
                            {"image", draw.image},
                            {"procurement", draw.procurement}}) {
    if (time > Duration(0)) stages.emplace_back(name, time);
  }
  return stages;
}

/// What vLLM says at the end of a stage, in the world's seconds: format/engine_log.h reads it.
std::string ended_text(std::string_view stage, Duration time) {
  const double took = to_seconds(time);
  if (stage == "weights") return fmt::format("Loading weights took {:.2f} seconds", took);
  if (stage == "engine") {
    return fmt::format("init engine (profile, create kv cache, warmup model) took {:.2f} seconds",
                       took);
  }
  return fmt::format("Emulated {} took {:.2f} seconds", stage, took);
}

}  // namespace

Emulator::State::State(net::Loop& loop_in, EmulatorOptions options_in,
                       std::function<void(int)> on_exit_in)
    : loop(loop_in),
      options(std::move(options_in)),
      on_exit(std::move(on_exit_in)),
      clock(options.time_scale),
      start_chance(options.seed, "cold-start"),
      wake_chance(options.seed, "wake") {}

Result<void> Emulator::State::start() {
  if (auto ok = options.check(); !ok) return ok;
  for (const LoraModule& module : options.lora_modules) {
    if (auto added = loras.add(module); !added) return fail(added.error());
  }
  serving = std::make_shared<Serving>(loop, clock, options);
  if (options.faults.exit_at_start) {
    net::log(net::Level::kError, "fault: exit at start");
    exit_soon(1);
    return {};
  }
  stages = draw_stages(options.cold_start, start_chance);
  if (stages.empty()) return listen();
  next_stage();
  return {};
}

void Emulator::State::next_stage() {
  if (exiting) return;
  if (stages.empty()) {
    if (auto ok = listen(); !ok) {
      net::log(net::Level::kError, "cannot listen", {{"cause", ok.error().message}});
      exit_soon(1);
    }
    return;
  }
  auto [name, time] = stages.back();
  stages.pop_back();
  net::log(net::Level::kInfo, "starting",
           {{"stage", std::string(name)}, {"seconds", fmt::format("{:.1f}", to_seconds(time))}});
  loop.after(clock.to_wall(time), [self = weak_from_this(), name = name, time = time] {
    auto state = self.lock();
    if (!state) return;
    net::log(net::Level::kInfo, ended_text(name, time));
    state->next_stage();
  });
}

Result<void> Emulator::State::listen() {
  server = std::make_unique<net::HttpServer>(loop, net::Limits{},
                                             [self = weak_from_this()](net::ExchangePtr exchange) {
                                               if (auto state = self.lock())
                                                 state->handle(exchange);
                                             });
  auto address = server->listen(options.listen);
  if (!address) return fail(address.error());
  bound = *address;
  ready = true;
  net::log(net::Level::kInfo, "ready",
           {{"address", bound.text()}, {"model", options.served_names.front()}});
  return {};
}

void Emulator::State::shutdown() {
  if (stopping || exiting) return;
  stopping = true;
  if (!ready) return exit_soon(0);
  server->drain();
  if (options.shutdown_timeout == Duration(0)) {
    serving->abort_all(Serving::AbortStyle::kBreak);
    return exit_soon(0);
  }
  serving->when_idle([self = weak_from_this()] {
    if (auto state = self.lock()) state->exit_soon(0);
  });
  loop.after(clock.to_wall(options.shutdown_timeout), [self = weak_from_this()] {
    if (auto state = self.lock()) state->serving->abort_all(Serving::AbortStyle::kBreak);
  });
}

/// Never from inside a call of the server: this ends it, and every connection with it.
void Emulator::State::exit_soon(int code) {
  if (exiting) return;
  exiting = true;
  loop.defer([self = weak_from_this(), code] {
    auto state = self.lock();
    if (!state) return;
    state->server.reset();
    state->ready = false;
    state->on_exit(code);
  });
}

Emulator::Emulator(net::Loop& loop, EmulatorOptions options, std::function<void(int)> on_exit)
    : state_(std::make_shared<State>(loop, std::move(options), std::move(on_exit))) {}
Emulator::~Emulator() = default;
Result<void> Emulator::start() { return state_->start(); }
bool Emulator::ready() const { return state_->ready; }
net::Address Emulator::address() const { return state_->bound; }
void Emulator::shutdown() { state_->shutdown(); }
engine::Stats Emulator::stats() { return state_->serving->stats(); }

}  // namespace tidegate::live
