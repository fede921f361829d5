#include "live/emulator/test_engine.h"

namespace tidegate::live {
namespace {

using EmulatorLifeTest = EmulatorTest;

TEST_F(EmulatorLifeTest, SleepsAndWakesInTheOrderOfLevelTwo) {
  options.dev_mode = options.enable_sleep_mode = true;
  boot();
  auto asleep = [&] {
    return json::parse(call("GET", "/is_sleeping")->body)["is_sleeping"].get<bool>();
  };
  auto state = [&](const std::string& name) {
    return metric(R"(vllm:engine_sleep_state{engine="0",model_name="reference",sleep_state=")" +
                  name + "\"}");
  };
  auto ask = [&] {
    auto done = chat(R"(,"max_tokens":2)");
    EXPECT_TRUE(wait([&] { return done->over(); }));
    return done->status;
  };
  EXPECT_EQ(call("POST", "/sleep?level=1")->status, 200);
  EXPECT_TRUE(asleep());
  EXPECT_EQ(state("weights_offloaded"), 1);
  EXPECT_EQ(call("GET", "/health")->status, 200);
  EXPECT_EQ(ask(), 500);
  EXPECT_EQ(call("POST", "/wake_up")->status, 200);
  EXPECT_FALSE(asleep());
  EXPECT_EQ(ask(), 200);

  EXPECT_EQ(call("POST", "/sleep?level=2")->status, 200);
  EXPECT_EQ(state("discard_all"), 1);
  EXPECT_EQ(call("POST", "/collective_rpc", R"({"method":"reload_weights"})")->status, 500);
  EXPECT_EQ(call("POST", "/wake_up?tags=weights")->status, 200);
  EXPECT_TRUE(asleep());
  EXPECT_EQ(call("POST", "/wake_up?tags=kv_cache")->status, 200);
  EXPECT_FALSE(asleep());
  EXPECT_EQ(ask(), 500) << "no weights before the reload";
  EXPECT_EQ(call("POST", "/collective_rpc", R"({"method":"reload_weights"})")->status, 200);
  EXPECT_EQ(call("POST", "/reset_prefix_cache")->status, 200);
  EXPECT_EQ(ask(), 200);
  EXPECT_EQ(state("awake"), 1);

  for (const char* path : {"/sleep?level=3", "/sleep?mode=never", "/wake_up?tags=all"}) {
    EXPECT_EQ(call("POST", path)->status, 400) << path;
  }
}

TEST_F(EmulatorLifeTest, SleepAbortsWhatRunsOrWaitsForIt) {
  options.dev_mode = options.enable_sleep_mode = true;
  boot();
  auto running = chat(R"(,"max_tokens":100000,"stream":true)");
  ASSERT_TRUE(wait([&] { return engine->stats().generation_tokens_total > 3; }));
  EXPECT_EQ(call("POST", "/sleep")->status, 200);
  ASSERT_TRUE(wait([&] { return running->over(); }));
  auto seen = events(running->body);
  EXPECT_EQ(seen[seen.size() - 2]["choices"][0]["finish_reason"], "abort");
  call("POST", "/wake_up");
  auto kept = chat(R"(,"max_tokens":200)");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  EXPECT_EQ(call("POST", "/sleep?mode=wait")->status, 200);
  EXPECT_TRUE(kept->over());
  EXPECT_EQ(json::parse(kept->body)["usage"]["completion_tokens"], 200);
}

TEST_F(EmulatorLifeTest, LoadsAndUnloadsAdapters) {
  options.enable_lora = options.runtime_lora = true;
  boot();
  const std::string load = "/v1/load_lora_adapter", unload = "/v1/unload_lora_adapter";
  const std::string sql = R"({"lora_name":"sql","lora_path":"/sql"})";
  const std::string ask = R"({"model":"sql","prompt":"a","max_tokens":3})";
  EXPECT_EQ(call("POST", "/v1/completions", ask)->status, 404);
  auto loaded = call("POST", load, sql);
  EXPECT_EQ(loaded->status, 200);
  EXPECT_EQ(loaded->body, "Success: LoRA adapter 'sql' added successfully.");
  EXPECT_EQ(call("POST", load, sql)->status, 400);
  EXPECT_EQ(call("POST", load, R"({"lora_name":"x"})")->status, 400);
  EXPECT_EQ(call("POST", load, "nonsense")->status, 400);
  auto answer = call("POST", "/v1/completions", ask);
  EXPECT_EQ(json::parse(answer->body)["model"], "sql");
  auto running =
      send("POST", "/v1/completions", R"({"model":"sql","prompt":"a","max_tokens":90000})");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  EXPECT_THAT(call("GET", "/metrics")->body, HasSubstr(R"(running_lora_adapters="sql")"));
  client->cancel(running->id);
  EXPECT_EQ(call("POST", unload, R"({"lora_name":"sql"})")->status, 200);
  EXPECT_EQ(call("POST", unload, R"({"lora_name":"sql"})")->status, 404);
  EXPECT_EQ(call("POST", "/v1/completions", ask)->status, 404);
}

TEST_F(EmulatorLifeTest, TheQueueLimitCountsWaitingAndRunning) {
  options.max_num_seqs = 1;
  options.max_num_queued_reqs = 3;
  boot();
  std::vector<CallPtr> held;
  for (int i = 0; i < 3; ++i) held.push_back(chat(R"(,"max_tokens":50000)"));
  ASSERT_TRUE(wait([&] { return engine->stats().waiting == 2; }));
  EXPECT_EQ(engine->stats().running, 1);
  auto refused = chat(R"(,"max_tokens":1)");
  ASSERT_TRUE(wait([&] { return refused->over(); }));
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(json::parse(refused->body)["error"]["code"], 503);
  client->cancel(held[0]->id);
  ASSERT_TRUE(wait([&] { return engine->stats().waiting == 1; }));
  auto taken = chat(R"(,"max_tokens":1)");
  ASSERT_TRUE(wait([&] { return engine->stats().waiting == 2; }));
  EXPECT_FALSE(taken->over());
}

TEST_F(EmulatorLifeTest, ListensOnlyWhenItsColdStartIsOver) {
  options.cold_start = *parse_cold_start("image=2s,engine=3s");
  options.listen.port = 0;
  engine = std::make_unique<Emulator>(*loop, options, [this](int code) { exit_code = code; });
  ASSERT_TRUE(engine->start());
  EXPECT_FALSE(engine->ready());
  EXPECT_EQ(engine->address().port, 0);
  ASSERT_TRUE(wait([&] { return engine->ready(); }));
  EXPECT_EQ(call("GET", "/health")->status, 200);
}

TEST_F(EmulatorLifeTest, APortInUseIsSaid) {
  boot();
  EmulatorOptions second = options;
  second.listen = engine->address();
  Emulator other(*loop, second, [](int) {});
  auto started = other.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("in use"));
}

TEST_F(EmulatorLifeTest, ShutdownCutsOffAtOnceUnlessGivenTime) {
  boot();
  auto running = chat(R"(,"max_tokens":100000,"stream":true)");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  engine->shutdown();
  ASSERT_TRUE(wait([&] { return exit_code >= 0 && running->over(); }));
  EXPECT_TRUE(running->failed);
  EXPECT_EQ(exit_code, 0);
}

TEST_F(EmulatorLifeTest, ShutdownWithTimeLetsWhatRunsFinishAndTakesNothingNew) {
  options.shutdown_timeout = seconds(1000);
  boot();
  EXPECT_EQ(call("GET", "/version")->status, 200);  // leaves a connection to ask on
  auto running = chat(R"(,"max_tokens":300)");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  engine->shutdown();
  auto late = chat(R"(,"max_tokens":1)");
  ASSERT_TRUE(wait([&] { return exit_code >= 0 && late->over(); }));
  EXPECT_EQ(json::parse(running->body)["usage"]["completion_tokens"], 300);
  EXPECT_TRUE(late->failed || late->status == 503);
}

TEST_F(EmulatorLifeTest, ShutdownEndsAtItsTimeoutWhateverRuns) {
  options.shutdown_timeout = seconds(2);
  boot();
  auto running = chat(R"(,"max_tokens":100000)");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  engine->shutdown();
  ASSERT_TRUE(wait([&] { return exit_code == 0 && running->over(); }));
  EXPECT_TRUE(running->failed);
}

TEST_F(EmulatorLifeTest, FaultsDoWhatTheySay) {
  options.faults.crash_after = 1;
  options.faults.refuse_health = true;
  boot();
  EXPECT_EQ(call("GET", "/health")->status, 503);
  auto first = chat(R"(,"max_tokens":100000,"stream":true)");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  auto second = chat("");
  ASSERT_TRUE(wait([&] { return first->over() && second->over(); }));
  EXPECT_TRUE(first->failed && second->failed);
  EXPECT_EQ(exit_code, Emulator::kCrashCode);
}

TEST_F(EmulatorLifeTest, AHungEngineTakesRequestsAndAnswersNone) {
  options.faults.hang_after = 1;
  boot();
  auto first = chat(R"(,"max_tokens":2)");
  ASSERT_TRUE(wait([&] { return first->over(); }));
  EXPECT_EQ(first->status, 200);
  auto second = chat(R"(,"max_tokens":2)");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(call("GET", "/health")->status, 200);
  EXPECT_FALSE(second->over());
}

TEST_F(EmulatorLifeTest, ASlowEngineTakesItsFactorLonger) {
  options.faults.slow = 3;
  boot();
  auto done = chat(R"(,"max_tokens":20)");
  ASSERT_TRUE(wait([&] { return done->over(); }));
  double decode =
      metric(R"(vllm:request_decode_time_seconds_sum{engine="0",model_name="reference"})");
  EXPECT_GT(decode, 19 * 3 * 0.0101);
  EXPECT_LT(decode, 19 * 3 * 0.0103);
}

TEST_F(EmulatorLifeTest, MetricsLie) {
  auto page_of = [&](LyingMetrics lie) {
    engine.reset();
    options.faults.lying_metrics = lie;
    boot();
    std::string before = call("GET", "/metrics")->body;
    auto done = chat(R"(,"max_tokens":2)");
    EXPECT_TRUE(wait([&] { return done->over(); }));
    return std::pair(before, call("GET", "/metrics")->body);
  };
  const std::string tokens = R"(vllm:generation_tokens_total{engine="0",model_name="reference"} )";
  EXPECT_THAT(page_of(LyingMetrics::kNo).second, HasSubstr(tokens + "2.0"));
  EXPECT_THAT(page_of(LyingMetrics::kZero).second, HasSubstr(tokens + "0.0"));
  auto [before, after] = page_of(LyingMetrics::kFrozen);
  EXPECT_EQ(before, after);
  EXPECT_THAT(page_of(LyingMetrics::kGarbage).second, Not(HasSubstr("vllm:")));
}

TEST_F(EmulatorLifeTest, ExitsAtStartWhenToldTo) {
  options.faults.exit_at_start = true;
  engine = std::make_unique<Emulator>(*loop, options, [this](int code) { exit_code = code; });
  ASSERT_TRUE(engine->start());
  ASSERT_TRUE(wait([&] { return exit_code >= 0; }));
  EXPECT_EQ(exit_code, 1);
  EXPECT_FALSE(engine->ready());
}

}  // namespace
}  // namespace tidegate::live
