#pragma once
// Inside of Emulator: life cycle, routes and what they act on. Only emulator*.cc includes it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "format/openai.h"
#include "live/emulator/emulator.h"
#include "live/emulator/lora.h"
#include "live/emulator/serving.h"
#include "live/emulator/sleep.h"
#include "live/net/clock.h"
#include "live/net/http_server.h"

namespace tidegate::live {

struct Emulator::State : std::enable_shared_from_this<Emulator::State> {
  State(net::Loop& loop_in, EmulatorOptions options_in, std::function<void(int)> on_exit_in);

  // life cycle (emulator.cc)
  Result<void> start();
  void next_stage();
  Result<void> listen();
  void shutdown();
  void exit_soon(int code);

  // routes (emulator_routes.cc)
  enum class Needs : std::uint8_t { kNothing, kDevMode, kRuntimeLora };
  struct Route {
    std::string_view method, path;
    Needs needs;
    void (State::*handle)(const net::ExchangePtr&);
  };
  void handle(const net::ExchangePtr& exchange);
  bool available(const Route& route) const;
  void respond(const net::ExchangePtr& exchange, int status, std::string_view body,
               std::string_view content_type = "application/json");
  void refuse(const net::ExchangePtr& exchange, const Refusal& refusal);
  void on_health(const net::ExchangePtr& exchange);
  void on_version(const net::ExchangePtr& exchange);
  void on_load(const net::ExchangePtr& exchange);
  void on_metrics(const net::ExchangePtr& exchange);
  void on_models(const net::ExchangePtr& exchange);
  void on_chat(const net::ExchangePtr& exchange);
  void on_completions(const net::ExchangePtr& exchange);
  void on_embeddings(const net::ExchangePtr& exchange);
  void infer(const net::ExchangePtr& exchange, format::OpenAiEndpoint endpoint);
  bool take_faults(const net::ExchangePtr& exchange);
  std::string metrics_page();

  // the operator's routes (emulator_operator.cc)
  void on_sleep(const net::ExchangePtr& exchange);
  void on_wake_up(const net::ExchangePtr& exchange);
  void on_is_sleeping(const net::ExchangePtr& exchange);
  void on_collective_rpc(const net::ExchangePtr& exchange);
  void on_reset_prefix_cache(const net::ExchangePtr& exchange);
  void on_load_lora(const net::ExchangePtr& exchange);
  void on_unload_lora(const net::ExchangePtr& exchange);
  /// Runs `then` after a span of world time and answers 200.
  void after_world(Duration world, const net::ExchangePtr& exchange, std::function<void()> then);

  net::Loop& loop;
  EmulatorOptions options;
  std::function<void(int)> on_exit;
  net::WorldClock clock;
  Rng start_chance, wake_chance;
  std::shared_ptr<Serving> serving;
  LoraBook loras;
  SleepState sleep;
  format::OpenAiParser parser;
  std::unique_ptr<net::HttpServer> server;
  net::Address bound;
  std::vector<std::pair<std::string_view, Duration>> stages;  // still to come, last first
  std::int64_t inference_requests = 0;
  std::string frozen_page;
  bool ready = false, stopping = false, exiting = false;
};

}  // namespace tidegate::live
