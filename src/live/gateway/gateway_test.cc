#include "live/gateway/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "live/gateway/stub_engine.h"
#include "live/gateway/stub_socket.h"

namespace tidegate::live {
namespace {

using testing::HasSubstr;

class GatewayTest : public StubWorld {};

TEST_F(GatewayTest, WholeAnswerComesBackByteForByteWithItsUsageCounted) {
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  open({model("m")});
  up(engine);
  auto call = send(chat());
  finish(call);
  EXPECT_EQ(call->status, 200);
  EXPECT_EQ(call->body, R"({"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":9,)"
                        R"("completion_tokens":2,"total_tokens":11}})");
  EXPECT_EQ(call->headers.get("x-tidegate-outcome"), "completed");
  EXPECT_EQ(call->headers.get("x-tidegate-replica"), "1");
  EXPECT_FALSE(call->headers.get("x-request-id").empty());
  EXPECT_EQ(engine.bodies, std::vector{chat()});
  EXPECT_EQ(demand().output_tokens_total, 2);
  EXPECT_EQ(demand().finished_total, 1);
  EXPECT_EQ(gateway->open_requests(), 0u);
}

TEST_F(GatewayTest, StreamIsPassedOnPieceByPiece) {
  StubEngine engine(*loop);
  open({model("m")});
  up(engine);
  auto call = stream();
  until([&] { return engine.requests.size() == 1; });
  net::Exchange& x = *engine.requests[0]->exchange;
  StubEngine::start_stream(x);
  std::string sent;
  // Cut anywhere, also in the middle of an event.
  for (std::string piece :
       {std::string("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\","),
        std::string("\"content\":\"\"}}]}\n\n"), StubEngine::chunk("a"), StubEngine::chunk("b")}) {
    x.write(piece);
    sent += piece;
    until([&] { return call->body == sent; });  // before the next is written: nothing is held back
  }
  x.write(StubEngine::kDone);
  x.finish();
  finish(call);
  EXPECT_TRUE(call->ended);
  EXPECT_EQ(call->body, sent + StubEngine::kDone);
  EXPECT_EQ(call->headers.get("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(gateway->traffic("m")->ttft.count(), 1);
  EXPECT_EQ(demand().output_tokens_total, 2) << "content events, where no usage is said";
}

TEST_F(GatewayTest, OnlyAnAliasIsRewrittenAndNothingElse) {
  struct Row {
    const char* label;
    std::string sent, arrives;
  };
  const std::string odd = R"({ "x":"m-alias",  "model" : "MODEL" ,"messages":[{"role":"user",)"
                          R"("content":"\u00e9\"model\":\"m-alias\""}], "temperature":1.0000 })";
  auto with = [&](const std::string& name) {
    std::string text = odd;
    return text.replace(text.find("MODEL"), 5, name);
  };
  const Row rows[] = {
      {"the engine's own name stays", with("m"), with("m")},
      {"an alias becomes the engine's own name", with("m-alias"), with("m")},
      {"an adapter's name stays", with("sql-v2"), with("sql-v2")},
  };
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  spec::Model m = model("m");
  m.served_names = {"m", "m-alias"};
  m.adapters = {{"sql-v2", "/adapters/sql-v2"}};
  open({m});
  up(engine);
  for (const Row& row : rows) {
    auto call = send(row.sent);
    finish(call);
    EXPECT_EQ(call->status, 200) << row.label;
    EXPECT_EQ(engine.bodies.back(), row.arrives) << row.label;
  }
}

TEST_F(GatewayTest, ModelsListsServedNamesAndAdaptersOfAll) {
  spec::Model m = model("m");
  m.served_names = {"m", "m-alias", "org/m"};
  m.adapters = {{"sql-v2", "/a"}};
  open({m, model("n")});
  auto call = send("", {}, "/v1/models", "GET");
  finish(call);
  EXPECT_EQ(call->status, 200);
  for (const char* name : {"\"m\"", "\"m-alias\"", "\"sql-v2\"", "\"n\""}) {
    EXPECT_THAT(call->body, HasSubstr(std::string("\"id\":") + name));
  }
  for (const char* path : {"/v1/models/n", "/v1/models/org/m", "/v1/models/org%2Fm"}) {
    auto one = send("", {}, path, "GET");
    finish(one);
    EXPECT_EQ(one->status, 200) << path;
    EXPECT_TRUE(one->headers.has("x-request-id")) << path;
  }
}

TEST_F(GatewayTest, ClientMistakesAreAnsweredAsOpenAiWould) {
  struct Row {
    const char* label;
    std::string method, path, body;
    const char* header;
    const char* value;
    int status;
    const char* says;
  };
  const std::string kChat = "/v1/chat/completions";
  const Row rows[] = {
      {"a model nobody serves", "POST", kChat, chat("ghost"), "", "", 404, "model_not_found"},
      {"no model", "POST", kChat, R"({"messages":[]})", "", "", 400, "\"param\":\"model\""},
      {"not JSON", "POST", kChat, "{\"model\":", "", "", 400, "invalid_request_error"},
      {"JSON of the wrong kind", "POST", kChat, "[1,2]", "", "", 400, "invalid_request_error"},
      {"an unknown path", "POST", "/v1/nothing", "{}", "", "", 404,
       "Unknown path: /v1/nothing; here are /v1/chat/completions, "},
      {"a model that is not served", "POST", kChat, chat("o"), "", "", 404,
       "GET /v1/models lists those served"},
      {"a body that is packed", "POST", kChat, chat(), "Content-Encoding", "gzip", 415,
       "\\\"gzip\\\" is not read here"},
      {"an engine's admin path", "POST", "/sleep", "{}", "", "", 404, "Unknown path"},
      {"the wrong method", "GET", kChat, "", "", "", 405, "POST"},
      {"a class that does not exist", "POST", kChat, chat(), "x-tidegate-priority", "gold", 400,
       "there are: live, batch"},
      {"a deadline that is no time", "POST", kChat, chat(), "x-tidegate-deadline", "soon", 400,
       "x-tidegate-deadline"},
      {"a deadline of nothing", "POST", kChat, chat(), "x-tidegate-deadline", "0", 400,
       "above zero"},
      {"a body over the model's limit", "POST", kChat, chat("m", std::string(2000, ' ')), "", "",
       413, "this model takes 2000"},
  };
  spec::Model m = model("m");
  m.priority_classes = {{"live", 4}, {"batch", 1}};
  m.queue.max_body_bytes = 2000;
  open({m});
  for (const Row& row : rows) {
    net::Headers headers;
    if (*row.header) headers.add(row.header, row.value);
    auto call = send(row.body, headers, row.path, row.method);
    finish(call);
    EXPECT_EQ(call->status, row.status) << row.label;
    EXPECT_THAT(call->body, HasSubstr(row.says)) << row.label;
    EXPECT_THAT(call->body, HasSubstr("{\"error\":{\"message\":")) << row.label;
    EXPECT_TRUE(call->headers.has("x-request-id")) << row.label;
  }
  EXPECT_EQ(demand().arrived_total, 0);
  EXPECT_EQ(gateway->refused().at(404), 4);
}

TEST_F(GatewayTest, AModelThatTakesMoreIsHeardByAPortThatListensAlready) {
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  GatewayOptions options = quick();
  options.limits.max_body_bytes = 1000;
  spec::Model m = model("m");
  m.queue.max_body_bytes = 2000;
  open({m}, options);
  up(engine);
  const std::string body = chat("m", std::string(3000, ' '));
  auto refused = send(body);
  finish(refused);
  EXPECT_EQ(refused->status, 413);
  m.queue.max_body_bytes = 4000;
  gateway->set_models({m});
  auto taken = send(body);
  finish(taken);
  EXPECT_EQ(taken->status, 200);
}

TEST_F(GatewayTest, KeysGuardTheModelAndTheUpstreamKeyReplacesTheClients) {
  setenv("TIDEGATE_TEST_CLIENT_KEYS", "alpha,beta", 1);
  setenv("TIDEGATE_TEST_UPSTREAM_KEY", "secret", 1);
  unsetenv("TIDEGATE_TEST_NO_SUCH_KEY");
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  spec::Model m = model("m"), shut = model("shut");
  m.auth = {{"TIDEGATE_TEST_CLIENT_KEYS"}, "TIDEGATE_TEST_UPSTREAM_KEY"};
  shut.auth.client_keys_env = {"TIDEGATE_TEST_NO_SUCH_KEY"};
  open({m, shut});
  up(engine);
  struct Row {
    const char* label;
    const char* authorization;
    const char* model;
    int status;
  };
  const Row rows[] = {
      {"the first key", "Bearer alpha", "m", 200},
      {"the second key, scheme in lower case", "bearer beta", "m", 200},
      {"no key", "", "m", 401},
      {"a wrong key", "Bearer alph", "m", 401},
      {"a key with more behind it", "Bearer alphabeta", "m", 401},
      {"both keys as one", "Bearer alpha,beta", "m", 401},
      {"another scheme", "Basic alpha", "m", 401},
      {"no key learns nothing about names", "", "ghost", 401},
      {"with a key an unknown name is said", "Bearer alpha", "ghost", 404},
      {"a key that is not in the environment opens nothing", "Bearer ", "shut", 401},
  };
  for (const Row& row : rows) {
    net::Headers headers;
    if (*row.authorization) headers.add("Authorization", row.authorization);
    auto call = send(chat(row.model), headers);
    finish(call);
    EXPECT_EQ(call->status, row.status) << row.label;
    if (row.status != 200) continue;
    EXPECT_EQ(engine.requests.back()->exchange->request().headers.get("authorization"),
              "Bearer secret");
  }
}

TEST_F(GatewayTest, HeadersThatBelongToOneHopOrReachPastUsAreNotPassedOn) {
  StubEngine engine(*loop, [](auto x) {
    net::Headers headers;
    headers.add("X-Engine", "yes");
    headers.add("Keep-Alive", "timeout=5");
    headers.add("x-tidegate-outcome", "forged");
    x->respond(200, headers, "{}");
  });
  open({model("m")});
  up(engine);
  net::Headers headers;
  for (auto [name, value] : {std::pair("X-Request-Id", "abc"),
                             {"traceparent", "00-1-2-01"},

                             {"X-Data-Parallel-Rank", "3"},
                             {"x-tidegate-tenant", "t"},
                             {"Accept-Encoding", "gzip"},
                             {"X-Other", "kept"},
                             {"Authorization", "Bearer mine"}}) {
    headers.add(name, value);
  }
  auto call = send(chat(), headers, "/v1/chat/completions?x=1");
  finish(call);
  const net::Request& seen = engine.requests[0]->exchange->request();
  EXPECT_EQ(seen.headers.get("x-request-id"), "abc");
  EXPECT_EQ(seen.headers.get("traceparent"), "00-1-2-01");
  EXPECT_EQ(seen.headers.get("x-other"), "kept");
  EXPECT_EQ(seen.query, "x=1");
  for (const char* gone :
       {"x-data-parallel-rank", "x-tidegate-tenant", "accept-encoding", "authorization"}) {
    EXPECT_FALSE(seen.headers.has(gone)) << gone;
  }
  EXPECT_EQ(call->headers.get("x-engine"), "yes");
  EXPECT_EQ(call->headers.get("x-request-id"), "abc");
  EXPECT_EQ(call->headers.get("x-tidegate-outcome"), "completed");
  EXPECT_FALSE(call->headers.has("keep-alive"));
}

TEST_F(GatewayTest, RequestsThatSmuggleReachNoEngine) {
  struct Row {
    const char* label;
    const char* head;
  };
  const Row rows[] = {
      {"both framings", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 50\r\n"},
      {"a blank before the colon", "Content-Length : 5\r\n"},
      {"a folded line", "X-A: b\r\n c\r\nContent-Length: 5\r\n"},
  };
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  open({model("m")});
  up(engine);
  for (const Row& row : rows) {
    std::string wire = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n";
    RawClient raw(*loop, address, wire + row.head + "\r\n0\r\n\r\n" + wire + "\r\n");
    until([&] { return raw.closed; });
    EXPECT_THAT(raw.received, testing::StartsWith("HTTP/1.1 400 ")) << row.label;
  }
  EXPECT_TRUE(engine.requests.empty());
}

TEST_F(GatewayTest, TapeSeesEveryEventInOrder) {
  StubEngine engine(*loop, [](auto x) { StubEngine::answer_json(*x); });
  open({model("m")});
  std::vector<std::string> seen;
  gateway->on_routed([&](const std::string& name, const route::Event& event, Instant,
                         const std::vector<route::Action>&) {
    EXPECT_EQ(name, "m");
    std::visit([&](const auto& e) { seen.emplace_back(e.kType); }, event);
  });
  up(engine);
  auto call = send(chat());
  finish(call);
  EXPECT_THAT(seen, testing::ElementsAre("ReplicaUp", "Arrived", "FirstByte", "Finished"));
}

}  // namespace
}  // namespace tidegate::live
