#include "format/openai_sse.h"
#include "live/emulator/test_engine.h"

namespace tidegate::live {
namespace {

TEST_F(EmulatorTest, AnswersAChatWhole) {
  boot();
  auto done = chat(R"(,"max_tokens":5)");
  ASSERT_TRUE(wait([&] { return done->over(); }));
  EXPECT_EQ(done->status, 200);
  json body = json::parse(done->body);
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "reference");
  std::string text = body["choices"][0]["message"]["content"];
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 5);
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["prompt_tokens"], 4 + 3);
  EXPECT_EQ(body["usage"]["completion_tokens"], 5);
}

TEST_F(EmulatorTest, StreamsAChatRoleFirstThenATokenAnEvent) {
  boot();
  auto done = chat(R"(,"max_tokens":4,"stream":true,"stream_options":{"include_usage":true})");
  ASSERT_TRUE(wait([&] { return done->over(); }));
  EXPECT_EQ(done->status, 200);
  auto seen = events(done->body);
  ASSERT_EQ(seen.size(), 1u + 4u + 1u + 1u);
  EXPECT_EQ(seen[0]["choices"][0]["delta"], (json{{"role", "assistant"}, {"content", ""}}));
  for (std::size_t i = 1; i <= 4; ++i) {
    EXPECT_NE(seen[i]["choices"][0]["delta"]["content"], "");
    EXPECT_EQ(seen[i]["choices"][0]["finish_reason"], i == 4 ? json("length") : json());
    EXPECT_TRUE(seen[i]["usage"].is_null());
  }
  EXPECT_EQ(seen[5]["choices"], json::array());
  EXPECT_EQ(seen[5]["usage"]["completion_tokens"], 4);
  EXPECT_TRUE(seen[6].is_null());
}

TEST_F(EmulatorTest, SaysTheSameWhetherStreamedOrNot) {
  boot();
  auto whole = chat(R"(,"max_tokens":30)");
  auto streamed = chat(R"(,"max_tokens":30,"stream":true)");
  ASSERT_TRUE(wait([&] { return whole->over() && streamed->over(); }));
  std::string text;
  for (const json& event : events(streamed->body)) {
    if (!event.is_null()) text += event["choices"][0]["delta"]["content"].get<std::string>();
  }
  EXPECT_EQ(text, json::parse(whole->body)["choices"][0]["message"]["content"]);
}

TEST_F(EmulatorTest, AnswersSeveralPromptsAsSeveralChoices) {
  boot();
  std::string prompt = R"({"prompt":["one","two two",")" + std::string(400, 'x') + R"("],)";
  auto whole = call("POST", "/v1/completions", prompt + R"("max_tokens":3})");
  json body = json::parse(whole->body);
  ASSERT_EQ(body["choices"].size(), 3u);
  EXPECT_EQ(body["choices"][2]["index"], 2);
  EXPECT_EQ(body["usage"]["completion_tokens"], 9);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 1 + 2 + 100);
  auto streamed = call("POST", "/v1/completions", prompt + R"("max_tokens":3,"stream":true})");
  int tokens[3] = {}, ends[3] = {};
  for (const json& event : events(streamed->body)) {
    if (event.is_null()) continue;
    const json& choice = event["choices"][0];
    ++tokens[choice["index"].get<int>()];
    ends[choice["index"].get<int>()] += !choice["finish_reason"].is_null();
  }
  EXPECT_THAT(tokens, testing::Each(3));
  EXPECT_THAT(ends, testing::Each(1));
}

TEST_F(EmulatorTest, RefusesWithVllmsErrorBody) {
  options.api_key = "secret";
  boot();
  struct Row {
    const char *what, *method, *path, *body;
    int status;
  };
  const Row rows[] = {
      {"no such path", "GET", "/nothing", "", 404},
      {"a sleep route without dev mode", "POST", "/sleep", "", 404},
      {"an adapter route without leave", "POST", "/v1/load_lora_adapter", "{}", 404},
      {"the wrong method", "POST", "/health", "", 405},
      {"the wrong method without a key", "GET", "/v1/completions", "", 401},
      {"no key", "POST", "/v1/completions", "{}", 401},
  };
  for (const Row& row : rows)
    EXPECT_EQ(call(row.method, row.path, row.body)->status, row.status) << row.what;

  net::Headers key;
  key.add("Authorization", "Bearer secret");
  auto ask = [&](const std::string& path, const std::string& body) {
    auto done = send("POST", path, body, key);
    EXPECT_TRUE(wait([&] { return done->over(); }));
    return std::pair(done->status, json::parse(done->body));
  };
  auto [bad, bad_body] = ask("/v1/completions", "{");
  EXPECT_EQ(bad, 400);
  EXPECT_EQ(bad_body["error"]["code"], 400);
  EXPECT_EQ(bad_body["error"]["type"], "BadRequestError");
  EXPECT_TRUE(bad_body["error"]["param"].is_null());
  auto [unknown, unknown_body] = ask("/v1/completions", R"({"model":"x","prompt":"a"})");
  EXPECT_EQ(unknown, 404);
  EXPECT_EQ(unknown_body["error"]["type"], "NotFoundError");
  EXPECT_EQ(ask("/v1/embeddings", R"({"input":"a"})").first, 400);
  EXPECT_EQ(ask("/v1/completions", R"({"prompt":"a"})").first, 200);
}

TEST_F(EmulatorTest, TellsAboutItself) {
  options.served_names = {"base", "alias"};
  options.enable_lora = options.load_tracking = true;
  options.lora_modules = {{"sql", "/adapters/sql"}};
  boot();
  EXPECT_EQ(call("GET", "/health")->status, 200);
  EXPECT_EQ(call("GET", "/health")->body, "");
  EXPECT_TRUE(json::parse(call("GET", "/version")->body).contains("version"));
  json models = json::parse(call("GET", "/v1/models")->body)["data"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[1]["id"], "alias");
  EXPECT_EQ(models[1]["max_model_len"], 131'072);
  EXPECT_EQ(models[2]["id"], "sql");
  EXPECT_EQ(models[2]["root"], "/adapters/sql");
  EXPECT_EQ(models[2]["parent"], "base");
  auto running = chat(R"(,"max_tokens":100000,"stream":true)");
  ASSERT_TRUE(wait([&] { return running->status == 200; }));
  EXPECT_EQ(json::parse(call("GET", "/load")->body)["server_load"], 1);
  client->cancel(running->id);
}

TEST_F(EmulatorTest, AClientThatLeavesFreesItsKv) {
  boot();
  for (const char* stream : {"true", "false"}) {
    auto running = chat(R"(,"max_tokens":100000,"stream":)" + std::string(stream));
    ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
    EXPECT_GT(gauge("kv_cache_usage_perc"), 0);
    client->cancel(running->id);
    ASSERT_TRUE(wait([&] { return engine->stats().kv_usage == 0; }));
    EXPECT_EQ(gauge("num_requests_running"), 0);
  }
  EXPECT_EQ(
      metric(
          R"(vllm:request_success_total{engine="0",finished_reason="abort",model_name="reference"})"),
      2);
}

TEST_F(EmulatorTest, CountsWhatItServed) {
  boot();
  for (int i = 0; i < 3; ++i) {
    auto done = chat(i == 1 ? R"(,"max_tokens":20,"stream":true)" : R"(,"max_tokens":20)");
    ASSERT_TRUE(wait([&] { return done->over(); }));
  }
  const std::string labels = R"({engine="0",model_name="reference"})";
  EXPECT_EQ(metric("vllm:generation_tokens_total" + labels), 60);
  EXPECT_EQ(metric("vllm:prompt_tokens_total" + labels), 21);
  EXPECT_EQ(metric("vllm:time_to_first_token_seconds_count" + labels), 3);
  EXPECT_EQ(metric("vllm:inter_token_latency_seconds_count" + labels), 3 * 19);
  EXPECT_EQ(metric("vllm:e2e_request_latency_seconds_count" + labels), 3);
  EXPECT_EQ(metric("vllm:iteration_tokens_total_sum" + labels), 81);
  EXPECT_EQ(
      metric(R"(http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"})"),
      3);
  // By the reference profile a token alone takes 10.1 ms of world time and a little.
  double itl = metric("vllm:inter_token_latency_seconds_sum" + labels) / (3 * 19);
  EXPECT_GT(itl, 0.0101);
}

TEST_F(EmulatorTest, ASharedPrefixIsServedFromTheCache) {
  options.prompt_tokens_details = true;
  boot();
  std::string body = R"({"prompt":")" + std::string(4000, 'p') + R"(","max_tokens":1})";
  json first = json::parse(call("POST", "/v1/completions", body)->body);
  json second = json::parse(call("POST", "/v1/completions", body)->body);
  EXPECT_EQ(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_GE(second["usage"]["prompt_tokens_details"]["cached_tokens"], 900);
}

TEST_F(EmulatorTest, AThousandStreamsAtOnceAllComplete) {
  options.max_num_seqs = 1000;
  options.enable_lora = true;  // one adapter a batch: the first holds all the others back
  options.lora_modules = {{"first", "/first"}, {"other", "/other"}};
  boot();
  auto holds =
      send("POST", "/v1/completions", R"({"model":"first","prompt":"a","max_tokens":90000})");
  ASSERT_TRUE(wait([&] { return engine->stats().running == 1; }));
  struct Stream {
    format::SseScanner scan;
    bool ended = false;
  };
  std::vector<Stream> streams(1000);
  std::size_t over = 0;
  for (Stream& stream : streams) {
    client->send({.address = engine->address(),
                  .method = "POST",
                  .path = "/v1/completions",
                  .body = R"({"model":"other","prompt":"abcdefgh","max_tokens":40,"stream":true,)"
                          R"("stream_options":{"include_usage":true}})"},
                 {.on_head = [](int, const net::Headers&) {},
                  .on_data = [&](std::string_view bytes) { stream.scan.feed(bytes); },
                  .on_end = [&] { stream.ended = true, ++over; },
                  .on_error = [&](const net::ClientError&) { ++over; }});
  }
  ASSERT_TRUE(wait([&] { return engine->stats().waiting == 1000; }));
  EXPECT_EQ(gauge("num_requests_waiting"), 1000);
  client->cancel(holds->id);
  ASSERT_TRUE(wait([&] { return over == streams.size(); }));
  for (const Stream& stream : streams) {
    const auto& seen = stream.scan.seen();
    EXPECT_TRUE(stream.ended && seen.done);
    EXPECT_EQ(seen.content_events, 40);
    EXPECT_EQ(seen.usage, (format::OpenAiUsage{2, 40, 0}));
  }
}

}  // namespace
}  // namespace tidegate::live
