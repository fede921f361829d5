// What an endpoint says of itself, and what is wrong with one that cannot be measured.

#include "live/load/endpoint.h"

#include <gtest/gtest.h>

#include <thread>

#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

constexpr Duration kPatience = seconds(20);  // never waited for when the code is right

std::string stream(int tokens, const std::string& usage) {
  std::string out;
  for (int i = 0; i < tokens; ++i) out += "data: {\"choices\":[{\"index\":0,\"text\":\"a \"}]}\n\n";
  if (!usage.empty()) out += "data: {\"choices\":[],\"usage\":" + usage + "}\n\n";
  return out + "data: [DONE]\n\n";
}

/// An engine of few words: what it answers on each path.
struct Stub {
  std::string models = R"({"data":[{"id":"m","max_model_len":4096},{"id":"n"}]})";
  std::string version = R"({"version":"0.19.1"})";
  std::string metrics =
      "vllm:num_requests_running 3\nvllm:num_requests_waiting 1\nvllm:kv_cache_usage_perc 0.25\n"
      "vllm:prefix_cache_queries_total 100\nvllm:prefix_cache_hits_total 7\n"
      "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"1000\"} 1\n";
  /// What comes of a prompt of so many bytes.
  std::function<std::string(std::size_t)> answer = [](std::size_t bytes) {
    return stream(
        8, R"({"prompt_tokens":)" + std::to_string(5 + bytes / 2) + R"(,"completion_tokens":8})");
  };
  int models_status = 200, answer_status = 200;
  bool takes_ignore_eos = true;

  void handle(const net::ExchangePtr& x) const {
    const net::Request& request = x->request();
    auto page = [&](int status, const std::string& body) {
      x->respond(body.empty() ? 404 : status, {}, body);
    };
    if (request.path == "/v1/models") return page(models_status, models);
    if (request.path == "/version") return page(200, version);
    if (request.path == "/metrics") return page(200, metrics);
    if (!takes_ignore_eos && request.body.find("ignore_eos") != std::string::npos)
      return x->respond(400, {}, R"({"error":{"message":"unknown field ignore_eos"}})");
    const std::size_t from = request.body.find("\"prompt\":\"") + 10;
    x->respond(answer_status, {}, answer(request.body.find('"', from) - from));
  }
};

Result<EndpointFacts> asked(const Stub& stub) {
  auto loop = net::Loop::create().value();
  net::HttpServer server(*loop, {}, [&](net::ExchangePtr x) { stub.handle(x); });
  EndpointAccess access;
  access.url = {server.listen({"127.0.0.1", 0}).value(), "/v1/"};
  std::thread serving([&] { loop->run(); });
  auto facts = ask_endpoint(access, 1, kPatience);
  loop->stop();
  serving.join();
  return facts;
}

TEST(EndpointTest, ItSaysWhatItIs) {
  auto facts = asked({});
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->model, "m");
  EXPECT_EQ(facts->engine, "vLLM 0.19.1");
  EXPECT_EQ(facts->max_model_len, 4'096);
  EXPECT_EQ(facts->kv_tokens, 16'000);
  EXPECT_EQ(facts->block_size, 16);
  EXPECT_EQ(facts->end_of_text, EndOfText::kIgnored);
  EXPECT_TRUE(facts->counts_tokens);
  // Two tokens a word and five beside: 1,005 tokens are 500 words.
  EXPECT_DOUBLE_EQ(facts->prompt_tokens_per_word, 2);
  EXPECT_EQ(facts->words_of(1'005), 500);
  EXPECT_EQ(facts->words_of(1), 1) << "never none";
}

TEST(EndpointTest, WhatItDoesNotSayIsUnknown) {
  Stub stub;
  stub.version = stub.metrics = "";
  stub.takes_ignore_eos = false;
  stub.answer = [](std::size_t) { return stream(8, ""); };
  auto facts = asked(stub);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->engine, "");
  EXPECT_FALSE(facts->dialect);
  EXPECT_EQ(facts->kv_tokens, 0);
  EXPECT_EQ(facts->end_of_text, EndOfText::kHonoured);
  EXPECT_FALSE(facts->counts_tokens);
  EXPECT_EQ(facts->words_of(77), 77);
}

TEST(EndpointTest, OneThatCannotBeMeasuredIsRefusedWithTheCause) {
  struct Row {
    const char* label;
    std::function<void(Stub&)> change;
    const char* expect;
  };
  const Row rows[] = {
      {"a key is missing", [](Stub& s) { s.models_status = 401; }, "--api-key-env"},
      {"no model", [](Stub& s) { s.models = R"({"data":[]})"; }, "--model"},
      {"a model it does not serve",
       [](Stub& s) {
         s.answer_status = 404;
         s.answer = [](std::size_t) { return R"({"error":{"message":"no such model"}})"; };
       },
       "status 404: no such model"},
      {"no stream",
       [](Stub& s) { s.answer = [](std::size_t) { return R"({"choices":[{"text":"a b c"}]})"; }; },
       "no stream came back"},
      {"one piece", [](Stub& s) { s.answer = [](std::size_t) { return stream(1, ""); }; },
       "token by token"},
      {"an error inside",
       [](Stub& s) {
         s.answer = [](std::size_t) { return "data: {\"error\":{\"message\":\"x\"}}\n\n"; };
       },
       "an error inside the stream"},
      {"prompts that count as nothing",
       [](Stub& s) {
         s.answer = [](std::size_t) {
           return stream(8, R"({"prompt_tokens":0,"completion_tokens":8})");
         };
       },
       "cannot be calibrated"},
      {"longer prompts that count less",
       [](Stub& s) {
         s.answer = [](std::size_t bytes) {
           return stream(8, R"({"prompt_tokens":)" + std::to_string(100'000 / bytes) +
                                R"(,"completion_tokens":8})");
         };
       },
       "cannot be calibrated"},
  };
  for (const Row& row : rows) {
    Stub stub;
    row.change(stub);
    auto facts = asked(stub);
    ASSERT_FALSE(facts) << row.label;
    EXPECT_NE(facts.error().message.find(row.expect), std::string::npos)
        << row.label << ": " << facts.error().message;
  }
}

TEST(EndpointTest, ItsPageIsReadInItsDialect) {
  const EndpointReading vllm = read_metrics(Stub().metrics, signal::DialectId::kVllm);
  EXPECT_EQ(vllm.sample.running, 3);
  EXPECT_EQ(vllm.sample.waiting, 1);
  EXPECT_EQ(vllm.sample.kv_usage, 0.25);
  EXPECT_EQ(vllm.cache.query_tokens, 100);
  EXPECT_EQ(vllm.cache.hit_tokens, 7);
  const EndpointReading none = read_metrics("", signal::DialectId::kVllm);
  EXPECT_LT(none.sample.running, 0);
  EXPECT_EQ(none.cache.query_tokens, 0);
}

}  // namespace
}  // namespace tidegate::live
