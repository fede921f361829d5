// Routes for whoever operates the engine: sleep and wake, cache, adapters.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/engine/cold_start.h"
#include "live/emulator/emulator_state.h"

namespace tidegate::live {
namespace {

Refusal bad(std::string message) { return {.message = std::move(message)}; }

/// The string under `key`; empty if it is not one or the body is no JSON object.
std::string json_text(const std::string& body, const char* key) {
  auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return {};
  auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

void Emulator::State::after_world(Duration world, const net::ExchangePtr& exchange,
                                  std::function<void()> then) {
  loop.after(clock.to_wall(world), [self = weak_from_this(), exchange, then = std::move(then)] {
    auto state = self.lock();
    if (!state) return;
    then();
    state->respond(exchange, 200, "", "");
  });
}

void Emulator::State::on_sleep(const net::ExchangePtr& exchange) {
  if (!options.enable_sleep_mode) {
    return refuse(exchange, bad("Sleep mode is not enabled: start with --enable-sleep-mode."));
  }
  const std::string& query = exchange->request().query;
  std::string level = net::query_value(query, "level");
  if (level.empty()) level = "1";
  if (level != "1" && level != "2") {
    return refuse(exchange, bad(fmt::format("level must be 1 or 2, got {}", level)));
  }
  std::string mode = net::query_value(query, "mode");
  if (!mode.empty() && mode != "abort" && mode != "wait") {
    return refuse(exchange, bad(fmt::format("mode must be abort or wait, got {}", mode)));
  }
  if (mode != "wait") serving->abort_all(Serving::AbortStyle::kFinish);
  serving->when_idle([self = weak_from_this(), exchange, level] {
    auto state = self.lock();
    if (!state) return;
    state->serving->abort_all(Serving::AbortStyle::kFinish);  // what came in this very moment
    state->serving->reset_cache();
    state->sleep.sleep(level == "1" ? 1 : 2);
    state->respond(exchange, 200, "", "");
  });
}

void Emulator::State::on_wake_up(const net::ExchangePtr& exchange) {
  bool weights = false, kv_cache = false;
  auto tags = net::query_values(exchange->request().query, "tags");
  for (const std::string& tag : tags) {
    if (tag != "weights" && tag != "kv_cache") {
      return refuse(exchange, bad(fmt::format("tags must be weights or kv_cache, got {}", tag)));
    }
    (tag == "weights" ? weights : kv_cache) = true;
  }
  if (tags.empty()) weights = kv_cache = true;
  Duration time{0};
  bool restores = weights && sleep.weights() == SleepState::Weights::kOffloaded;
  if (restores && options.cold_start.wake_level1) {
    time = engine::draw(*options.cold_start.wake_level1, wake_chance);
  }
  after_world(time, exchange, [this, weights, kv_cache] {
    if (weights) sleep.wake_weights();
    if (kv_cache) sleep.wake_kv_cache();
  });
}

void Emulator::State::on_is_sleeping(const net::ExchangePtr& exchange) {
  respond(exchange, 200, fmt::format(R"({{"is_sleeping":{}}})", sleep.sleeping()));
}

void Emulator::State::on_collective_rpc(const net::ExchangePtr& exchange) {
  std::string method = json_text(exchange->take_body(), "method");
  if (method.empty()) return refuse(exchange, bad("Missing 'method' in request body"));
  if (method != "reload_weights") {
    return refuse(exchange, bad(fmt::format("method {} is not emulated", method)));
  }
  if (sleep.weights() == SleepState::Weights::kOffloaded ||
      sleep.weights() == SleepState::Weights::kDiscarded) {
    return refuse(exchange, {500,
                             "InternalServerError",
                             "There is no memory to load weights into: wake the weights first.",
                             {}});
  }
  Duration time{0};
  if (sleep.weights() == SleepState::Weights::kBlank && options.cold_start.wake_level2) {
    time = engine::draw(*options.cold_start.wake_level2, wake_chance);
  }
  loop.after(clock.to_wall(time), [self = weak_from_this(), exchange] {
    auto state = self.lock();
    if (!state) return;
    state->sleep.reload_weights();
    state->respond(exchange, 200, R"({"results":[null]})");
  });
}

void Emulator::State::on_reset_prefix_cache(const net::ExchangePtr& exchange) {
  // As vLLM: blocks in use cannot be dropped, so with requests running nothing happens.
  if (serving->sequences() == 0) serving->reset_cache();
  respond(exchange, 200, "", "");
}

void Emulator::State::on_load_lora(const net::ExchangePtr& exchange) {
  std::string body = exchange->take_body();
  LoraModule module{json_text(body, "lora_name"), json_text(body, "lora_path")};
  if (module.name.empty() || module.path.empty()) {
    return refuse(exchange, bad("Both 'lora_name' and 'lora_path' must be provided."));
  }
  if (!options.enable_lora) {
    return refuse(exchange, bad("LoRA is not enabled. Use --enable-lora to enable LoRA."));
  }
  if (auto added = loras.add(module); !added) return refuse(exchange, bad(added.error().message));
  respond(exchange, 200, fmt::format("Success: LoRA adapter '{}' added successfully.", module.name),
          "text/plain; charset=utf-8");
}

void Emulator::State::on_unload_lora(const net::ExchangePtr& exchange) {
  std::string name = json_text(exchange->take_body(), "lora_name");
  if (name.empty()) return refuse(exchange, bad("'lora_name' needs to be provided."));
  if (!loras.remove(name)) {
    return refuse(
        exchange,
        {404, "NotFoundError", fmt::format("The lora adapter '{}' cannot be found.", name), {}});
  }
  respond(exchange, 200, fmt::format("Success: LoRA adapter '{}' removed successfully.", name),
          "text/plain; charset=utf-8");
}

}  // namespace tidegate::live
