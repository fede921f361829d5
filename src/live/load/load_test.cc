#include "live/load/load.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "format/openai.h"
#include "live/load/report.h"
#include "live/net/clock.h"
#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

using net::ExchangePtr;
using workload::TraceRequest;

constexpr Duration kPatience = seconds(20);  // never waited for when the code is right

TraceRequest request(Duration at, std::int64_t prompt = 10, std::int64_t output = 3) {
  TraceRequest r;
  r.at = at;
  r.prompt = Tokens(prompt);
  r.output = Tokens(output);
  return r;
}

std::string chunk(const std::string& text) {
  return "data: {\"choices\":[{\"index\":0,\"text\":\"" + text + "\"}]}\n\n";
}
const char* const kDone = "data: [DONE]\n\n";

class LoadTest : public ::testing::Test {
 protected:
  void serve(net::HttpServer::Handler handler) {
    server = std::make_unique<net::HttpServer>(*loop, net::Limits{}, std::move(handler));
    config.url = {server->listen({"127.0.0.1", 0}).value(), "/"};
    config.fallback_model = "m";
  }
  static void stream(const ExchangePtr& x, const std::vector<std::string>& pieces) {
    net::Headers headers;
    headers.add("Content-Type", "text/event-stream");
    x->start(200, headers);
    for (const auto& piece : pieces) x->write(piece);
    x->finish();
  }
  void start(std::vector<TraceRequest> requests) {
    trace = std::move(requests);
    run = std::make_unique<LoadRun>(*loop, config, [this](TraceRequest& r) {
      if (next == trace.size()) return false;
      r = trace[next++];
      return true;
    });
    run->start([this] { ++done; });
    EXPECT_EQ(done, 0) << "never from inside start()";
  }
  LoadResult replay(std::vector<TraceRequest> requests) {
    start(std::move(requests));
    EXPECT_TRUE(loop->run_until([this] { return done > 0; }, kPatience));
    EXPECT_EQ(done, 1);
    return run->result();
  }
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  std::unique_ptr<net::HttpServer> server;
  LoadConfig config;
  std::vector<TraceRequest> trace;
  std::size_t next = 0;
  std::unique_ptr<LoadRun> run;
  int done = 0;
};

TEST_F(LoadTest, EveryWayToEndIsCountedOnce) {
  const struct {
    const char* label;
    std::function<void(ExchangePtr)> answer;
    std::int64_t completed, rejected, timed_out, lost;
    const char* error;
  } rows[] = {
      {"a whole stream",
       [](ExchangePtr x) {
         stream(x, {chunk("a"), chunk("b"), kDone});
       },
       1, 0, 0, 0, nullptr},
      {"429", [](ExchangePtr x) { x->respond(429, {}, "{}"); }, 0, 1, 0, 0, "429"},
      {"503", [](ExchangePtr x) { x->respond(503, {}, "{}"); }, 0, 1, 0, 0, "503"},
      {"504", [](ExchangePtr x) { x->respond(504, {}, "{}"); }, 0, 0, 1, 0, "504"},
      {"500", [](ExchangePtr x) { x->respond(500, {}, "{}"); }, 0, 0, 0, 1, "500"},
      {"404", [](ExchangePtr x) { x->respond(404, {}, "{}"); }, 0, 0, 0, 1, "404"},
      {"a stream without [DONE]", [](ExchangePtr x) { stream(x, {chunk("a")}); }, 0, 0, 0, 1,
       "incomplete"},
      {"half a stream",
       [](ExchangePtr x) {
         x->start(200, {});
         x->write(chunk("a"));
         x->abort();
       },
       0, 0, 0, 1, "incomplete"},
      {"an error inside the stream",
       [](ExchangePtr x) {
         stream(x, {chunk("a"), "data: {\"error\":{\"message\":\"x\"}}\n\n", kDone});
       },
       0, 0, 0, 1, "streamError"},
      {"a body that is no stream", [](ExchangePtr x) { x->respond(200, {}, "{\"choices\":[]}"); },
       0, 0, 0, 1, "incomplete"},
      {"no answer at all", [](ExchangePtr x) { x->abort(); }, 0, 0, 0, 1, "reset"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.label);
    serve(row.answer);
    next = 0;
    done = 0;
    LoadResult r = replay({request(Duration(0)), request(millis(1))});
    EXPECT_EQ(r.score.requests, 2);
    EXPECT_EQ(r.score.completed, 2 * row.completed);
    EXPECT_EQ(r.score.rejected, 2 * row.rejected);
    EXPECT_EQ(r.score.timed_out, 2 * row.timed_out);
    EXPECT_EQ(r.score.lost, 2 * row.lost);
    EXPECT_EQ(r.errors.size(), row.error == nullptr ? 0u : 1u);
    if (row.error != nullptr) {
      EXPECT_EQ(r.errors[row.error], 2);
    }
    EXPECT_EQ(r.score.attainment(), row.completed) << "without bounds, all that completed";
  }
}

TEST_F(LoadTest, ArrivalsAreKeptWhateverTheServerDoes) {
  std::vector<ExchangePtr> held;
  serve([&](ExchangePtr x) { held.push_back(x); });
  std::vector<TraceRequest> requests;
  for (int i = 0; i < 500; ++i) requests.push_back(request(nanos(i * 20'000)));
  start(requests);
  ASSERT_TRUE(loop->run_until([&] { return held.size() == 500; }, kPatience))
      << "all are under way though none was answered";
  EXPECT_EQ(run->result().open, 500);
  for (auto& x : held) stream(x, {chunk("a"), kDone});
  ASSERT_TRUE(loop->run_until([this] { return done == 1; }, kPatience));
  EXPECT_EQ(run->result().score.completed, 500);
  EXPECT_EQ(run->result().open_peak, 500u);
}

TEST_F(LoadTest, OverTheLimitOfOpenRequestsTheyAreLostAndSaid) {
  config.max_open = 3;
  for (int n : {3, 4}) {
    std::vector<ExchangePtr> held;
    serve([&](ExchangePtr x) { held.push_back(x); });
    next = 0;
    done = 0;
    start(std::vector<TraceRequest>(static_cast<std::size_t>(n), request(Duration(0))));
    ASSERT_TRUE(loop->run_until([&] { return held.size() == 3; }, kPatience));
    for (auto& x : held) stream(x, {chunk("a"), kDone});
    ASSERT_TRUE(loop->run_until([this] { return done == 1; }, kPatience));
    LoadResult r = run->result();
    EXPECT_EQ(r.score.completed, 3);
    EXPECT_EQ(r.score.lost, n - 3);
    EXPECT_EQ(to_table(r, {}).find("were not sent") != std::string::npos, n == 4);
    EXPECT_EQ(r.errors["tooManyOpen"], n - 3);
  }
}

TEST_F(LoadTest, ARequestOverItsTimeoutIsBrokenOff) {
  config.timeout = millis(200);
  config.time_scale = 10;  // 20 ms of wall time
  int left = 0;
  std::vector<ExchangePtr> held;
  serve([&](ExchangePtr x) {
    x->on_closed([&] { ++left; });
    if (held.empty()) stream(x, {chunk("a"), kDone});
    if (!x->started()) x->start(200, {});
    held.push_back(x);
  });
  LoadResult r = replay({request(Duration(0)), request(millis(50)), request(millis(90))});
  EXPECT_EQ(r.score.completed, 1);
  EXPECT_EQ(r.score.timed_out, 2);
  EXPECT_EQ(r.errors["timeout"], 2);
  EXPECT_TRUE(loop->run_until([&] { return left == 2; }, kPatience)) << "the server sees them go";
}

TEST_F(LoadTest, TtftWaitsForTheFirstDeltaThatIsNotEmpty) {
  config.endpoint = LoadEndpoint::kChat;
  config.time_scale = 20;
  Duration held_back{0};
  auto delta = [](const std::string& d) {
    return "data: {\"choices\":[{\"delta\":" + d + "}]}\n\n";
  };
  serve([&](ExchangePtr x) {
    EXPECT_EQ(x->request().path, "/v1/chat/completions");
    x->start(200, {});
    x->write(": waiting\n\n" + delta("{\"role\":\"assistant\",\"content\":\"\"}"));
    Instant before = net::WorldClock::mono_now();
    loop->after(millis(10), [&, x, before] {
      held_back = net::WorldClock::mono_now() - before;
      x->write(delta("{\"content\":\"a\"}"));
      loop->after(millis(10), [&, x] {
        x->write(delta("{\"content\":\"b\"}") +
                 "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
                 "\"completion_tokens\":11}}\n\n" +
                 kDone);
        x->finish();
      });
    });
  });
  LoadResult r = replay({request(Duration(0))});
  EXPECT_EQ(r.score.completed, 1);
  EXPECT_EQ(r.output_tokens, 11) << "the server's own count";
  double error = 1 - 2 * workload::Sketch::kRelativeError;
  EXPECT_GE(r.score.ttft.quantile(0.5), 20 * to_seconds(held_back) * error) << "in world time";
  EXPECT_GE(r.score.itl.quantile(0.5), 20 * 0.010 / 10 * error) << "(last - first) / 10 gaps";
  EXPECT_GT(r.score.e2e.quantile(0.5), r.score.ttft.quantile(0.5));
}

TEST_F(LoadTest, TheSloIsJudgedOnEveryArrival) {
  config.slo.ttft = {.percentile = 0.99, .bound = seconds(3600)};
  config.slo.itl = {.percentile = 0.95, .bound = nanos(1)};
  int n = 0;
  serve([&](ExchangePtr x) {
    switch (n++) {
      case 0:
        return stream(x, {chunk("a"), kDone});  // one token: no gap to judge
      case 1:
        return x->respond(503, {}, "");
      default:
        x->start(200, {});
        x->write(chunk("a"));
        loop->after(millis(5), [x] {
          x->write(chunk("b") + kDone);
          x->finish();
        });
    }
  });
  LoadResult r = replay({request(Duration(0)), request(millis(30)), request(millis(60))});
  EXPECT_EQ(r.score.completed, 2);
  EXPECT_NEAR(r.score.attainment(), 1.0 / 3, 1e-12);
}

TEST_F(LoadTest, BodiesHaveTheRightLengthAndShareWhatTheTraceShares) {
  std::vector<nlohmann::json> bodies;
  std::vector<net::Headers> headers;
  serve([&](ExchangePtr x) {
    bodies.push_back(nlohmann::json::parse(x->request().body));
    headers.push_back(x->request().headers);
    stream(x, {chunk("a"), kDone});
  });
  config.api_key = "secret";
  config.priority_names = {"high", "low"};
  TraceRequest first = request(Duration(0), 1300, 7);
  first.prefix = {11, 22, 33};
  first.prefix_block_tokens = 512;
  first.model = "na\"me";
  first.tenant = "acme";
  first.priority = 1;
  TraceRequest second = request(millis(1), 1100);
  second.prefix = {11, 22, 44};
  second.prefix_block_tokens = 512;
  second.adapter = "sql";
  second.priority = 7;
  TraceRequest third = request(millis(2), 100);
  replay({first, second, third, third});
  ASSERT_EQ(bodies.size(), 4u);
  std::sort(bodies.begin(), bodies.end(), [](const auto& a, const auto& b) {
    return a["prompt"].template get<std::string>().size() >
           b["prompt"].template get<std::string>().size();
  });
  auto prompt = [&](int i) { return bodies[i]["prompt"].get<std::string>(); };
  EXPECT_EQ(prompt(0).size(), 1300u * 4);
  EXPECT_EQ(prompt(1).size(), 1100u * 4);
  EXPECT_EQ(prompt(0).substr(0, 4096), prompt(1).substr(0, 4096)) << "two shared blocks";
  EXPECT_NE(prompt(0).substr(4096, 16), prompt(1).substr(4096, 16));
  EXPECT_NE(prompt(2), prompt(3)) << "no hashes, nothing shared";
  EXPECT_NE(prompt(2).substr(0, 64), prompt(3).substr(0, 64));
  EXPECT_EQ(bodies[0]["model"], "na\"me");
  EXPECT_EQ(bodies[1]["model"], "sql") << "an adapter is asked for by its name";
  EXPECT_EQ(bodies[2]["model"], "m");
  EXPECT_EQ(bodies[0]["max_tokens"], 7);
  EXPECT_EQ(bodies[0]["ignore_eos"], true);
  EXPECT_EQ(bodies[0]["stream_options"]["include_usage"], true);
  std::map<std::string, int> priorities;
  for (const auto& h : headers) {
    EXPECT_EQ(h.get("authorization"), "Bearer secret");
    ++priorities[std::string(h.get("x-tidegate-priority"))];
  }
  EXPECT_EQ(priorities, (std::map<std::string, int>{{"high", 2}, {"low", 1}, {"7", 1}}));
}

TEST(PromptTest, GatewaysCountTheTokensThatWereMeant) {
  format::OpenAiParser parser;
  for (auto endpoint : {LoadEndpoint::kCompletions, LoadEndpoint::kChat}) {
    for (std::int64_t tokens : {5, 6, 100, 5000}) {
      std::string body = request_body(endpoint, "m", request(Duration(0), tokens), 1);
      auto parsed =
          parser.parse(endpoint == LoadEndpoint::kChat ? format::OpenAiEndpoint::kChat
                                                       : format::OpenAiEndpoint::kCompletions,
                       body);
      ASSERT_TRUE(parsed) << parsed.error().message;
      ASSERT_EQ(parsed->prompts.size(), 1u);
      EXPECT_EQ(parsed->prompts[0].tokens, Tokens(tokens));
      EXPECT_TRUE(parsed->stream);
    }
  }
}

TEST_F(LoadTest, StopTellsWhatThereIs) {
  std::vector<ExchangePtr> held;
  serve([&](ExchangePtr x) {
    if (held.empty()) stream(x, {chunk("a"), kDone});
    held.push_back(x);
  });
  start({request(Duration(0)), request(Duration(0)), request(seconds(100'000))});
  ASSERT_TRUE(loop->run_until(
      [&] { return run->result().score.completed == 1 && held.size() == 2; }, kPatience));
  run->stop();
  EXPECT_EQ(done, 0) << "never from inside stop()";
  ASSERT_TRUE(loop->run_until([this] { return done == 1; }, kPatience));
  ASSERT_TRUE(loop->run_until([&] { return held[1]->closed(); }, kPatience));
  LoadResult r = run->result();
  EXPECT_TRUE(r.interrupted);
  EXPECT_EQ(r.score.requests, 1);
  EXPECT_EQ(r.open, 1);
  EXPECT_NE(to_table(r, {}).find("1 were still open"), std::string::npos);
  EXPECT_EQ(to_table(LoadResult{}, {}).find("0.00 ms"), std::string::npos)
      << "what nobody measured is not zero";
}

TEST_F(LoadTest, TheRunMayEndWhileRequestsAreOpen) {
  std::vector<ExchangePtr> held;
  serve([&](ExchangePtr x) { held.push_back(x); });
  start({request(Duration(0)), request(seconds(100'000))});
  ASSERT_TRUE(loop->run_until([&] { return held.size() == 1; }, kPatience));
  run.reset();
  EXPECT_TRUE(loop->run_until([&] { return held[0]->closed(); }, kPatience));
  EXPECT_EQ(done, 0);
}

TEST_F(LoadTest, AnEmptyTraceIsAnEmptyResult) {
  serve([](ExchangePtr) {});
  auto json = to_json(replay({}));
  for (const char* key : {"requests", "completed", "rejected", "timedOut", "lost", "errors", "ttft",
                          "itl", "e2e", "sloAttainment", "timeScale"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["requests"], 0);
  EXPECT_EQ(json["sloAttainment"], 1.0);
  EXPECT_EQ(json["ttft"].size(), 3u);
}

TEST(ReportTest, ProgressIsOneLineWithAnEta) {
  LoadResult r;
  r.sent = 120;
  r.open = 20;
  r.wall = seconds(30);
  for (int i = 0; i < 100; ++i) {
    r.score.add({}, {workload::Ending::kCompleted, seconds(1), seconds(2), Tokens(5)});
  }
  r.score.add({}, {});
  std::string line = progress_line(r, 0.25);
  EXPECT_EQ(
      line.find(
          " 25% [#####...............] 120 sent, 20 open, 100 completed, 1 lost, TTFT p50 1.00"),
      0u)
      << line;
  EXPECT_TRUE(line.ends_with("ETA 1m30s")) << line;
  EXPECT_EQ(progress_line(r, 0).find("ETA"), std::string::npos) << "nothing to go by yet";
  EXPECT_EQ(progress_line(r, 1).find("ETA"), std::string::npos);
  for (double odd : {-1.0, 2.0}) EXPECT_EQ(progress_line(r, odd).find('\n'), std::string::npos);
}

}  // namespace
}  // namespace tidegate::live
