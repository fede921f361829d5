#include "live/sense/prometheus_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

using signal::Freshness;
using signal::SignalId;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kLimit = seconds(20);

/// A Prometheus that answers by what the query holds; a query nobody knows is kept waiting.
class PrometheusSourceTest : public testing::Test {
 protected:
  struct Answer {
    std::string body;
    int status = 200;
    std::string date = {};  ///< header; empty: none
  };
  std::map<std::string, Answer, std::less<>> answers;  ///< by a piece of the query
  std::deque<net::ExchangePtr> held;
  std::vector<net::Request> asked;

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpServer server{*loop, {}, [this](net::ExchangePtr x) { serve(std::move(x)); }};
  net::Address address = server.listen({"127.0.0.1", 0}).value();
  net::CurlClient client{*loop};
  net::WorldClock clock{10};  // an interval of 1 s is 100 ms here
  spec::Model model;
  std::unique_ptr<PrometheusSource> source;
  std::vector<std::pair<ReplicaId, double>> heard;  ///< running requests

  void SetUp() override {
    model.name = "m";
    model.prometheus = spec::Prometheus{.url = "http://" + address.text() + "/p/",
                                        .headers = {{"X-Scope-OrgID", "team"}},
                                        .interval = seconds(1),
                                        .timeout = seconds(5),
                                        .max_age = seconds(600)};
  }
  void serve(net::ExchangePtr x) {
    const net::Request& request = x->request();
    asked.push_back(request);
    const std::string query = net::query_value(request.body, "query");
    for (const auto& [piece, answer] : answers) {
      if (query.find(piece) == std::string::npos) continue;
      net::Headers headers;
      if (!answer.date.empty()) headers.add("Date", answer.date);
      return x->respond(answer.status, headers, answer.body);
    }
    held.push_back(std::move(x));
  }
  static double unix_now() {
    return static_cast<double>(net::WorldClock::wall_now().unix_nanos()) / 1e9;
  }
  static std::string vector(const std::string& value, int series = 1) {
    std::string one, out;
    for (int i = 0; i < series; ++i) {
      out += (i == 0 ? "" : ",") + std::string(R"({"metric":{"i":")") + std::to_string(i) +
             R"("},"value":[)" + std::to_string(unix_now()) + ",\"" + value + "\"]}";
    }
    return R"({"status":"success","data":{"resultType":"vector","result":[)" + out + "]}}";
  }
  /// Scraped `age` of wall time ago.
  static std::string stamp(Duration age) {
    return vector(std::to_string(unix_now() - to_seconds(age)));
  }
  static std::string series(const std::string& name, const std::string& labels, double at,
                            int value) {
    return R"({"metric":{"__name__":")" + name + "\"," + labels + R"(},"values":[[)" +
           std::to_string(at - 1) + R"(,"999"],[)" + std::to_string(at) + ",\"" +
           std::to_string(value) + "\"]]}";
  }
  static std::string matrix(const std::vector<std::string>& all) {
    std::string out;
    for (const auto& one : all) out += (out.empty() ? "" : ",") + one;
    return R"({"status":"success","data":{"resultType":"matrix","result":[)" + out + "]}}";
  }
  void metric(const std::string& promql) {
    model.scaling.metrics.push_back({std::nullopt, promql, spec::MetricTarget::kAverageValue, 1});
  }
  void engines() {
    spec::Variant variant;
    variant.name = "a";
    variant.sense.from = spec::SenseFrom::kPrometheus;
    variant.sense.selector = "job=\"vllm\"";
    model.variants.push_back(variant);
  }
  void start() {
    source = std::make_unique<PrometheusSource>(
        *loop, client, clock, model, PrometheusOptions{},
        [this](ReplicaId id, const signal::ReplicaSignals& s) {
          heard.emplace_back(id, s.value(SignalId::kRunningRequests));
        });
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kLimit); }
  signal::Signal metric_now(std::size_t i = 0) { return source->metrics(clock.now())[i]; }
  std::string trouble() {
    const auto all = source->troubles(clock.now());
    return all.empty() ? "" : all.front().what + ": " + all.front().why;
  }
};

TEST_F(PrometheusSourceTest, AMetricIsANumberWithTheAgeOfTheSamplesItRestsOn) {
  answers["sum(x)"] = {vector("7.5")};
  answers["timestamp(x)"] = {stamp(seconds(2))};
  metric("sum(x)");
  model.scaling.metrics.insert(model.scaling.metrics.begin(),
                               {spec::SignalName::kWaiting, "", spec::MetricTarget::kValue, 1});
  start();
  ASSERT_TRUE(until([&] { return !metric_now(1).absent(); }));
  const signal::Signal seen = metric_now(1);
  EXPECT_EQ(seen.value, 7.5);
  EXPECT_EQ(seen.source, signal::Source::kPrometheus);
  EXPECT_EQ(seen.freshness, Freshness::kFresh);
  EXPECT_EQ(seen.coverage, 1);
  EXPECT_GE(clock.now() - seen.at, seconds(20)) << "two seconds of wall time are twenty here";
  EXPECT_TRUE(metric_now(0).absent()) << "a signal of our own is none of its business";
  EXPECT_THAT(source->troubles(clock.now()), IsEmpty());
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_EQ(asked[0].path, "/p/api/v1/query");
  EXPECT_EQ(asked[0].headers.get("X-Scope-OrgID"), "team");
  EXPECT_EQ(net::query_value(asked[0].body, "timeout"), "5000ms");
}

TEST_F(PrometheusSourceTest, AQueryThatRestsOnNoSeriesIsAsOldAsItsAnswer) {
  answers["vector(3)"] = {vector("3")};
  metric("vector(3)");
  start();
  ASSERT_TRUE(until([&] { return !metric_now().absent(); }));
  EXPECT_EQ(asked.size(), 1U) << "there is no age to ask for";
}

TEST_F(PrometheusSourceTest, WhatIsNoNumberIsAbsentAndSaysWhy) {
  struct Row {
    const char* label;
    Answer value, age;
    const char* why;
  };
  const std::string good = vector("1");
  const Row rows[] = {
      {"no series", {vector("", 0)}, {}, "no series: unknown, not zero"},
      {"several series",
       {vector("1", 3)},
       {},
       "gives 3 series, and one number is wanted; write sum("},
      {"NaN", {vector("NaN")}, {}, "NaN"},
      {"an infinity", {vector("+Inf")}, {}, "an infinity"},
      {"a range", {matrix({})}, {}, "a range or a text"},
      {"samples too old", {good}, {stamp(seconds(70))}, "s old, maxAge is 600 s"},
      {"a value without samples", {good}, {vector("", 0)}, "no series it rests on has a sample"},
      {"a bad query",
       {R"({"status":"error","errorType":"bad_data","error":"parse error"})", 400},
       {},
       "HTTP 400: bad_data: parse error"},
      {"a proxy's page", {"<html>", 502}, {}, "HTTP 502: this is no answer of a Prometheus"},
      {"an age nobody can tell",
       {good},
       {R"({"status":"error","errorType":"execution","error":"same labelset"})", 422},
       "age of its samples: http"},
  };
  metric("sum(x)");
  for (const Row& row : rows) {
    answers.clear();
    answers["sum(x)"] = row.value;
    answers["timestamp(x)"] = row.age;
    start();
    ASSERT_TRUE(until([&] { return trouble().find("not asked") == std::string::npos; }))
        << row.label;
    EXPECT_TRUE(metric_now().absent()) << row.label;
    EXPECT_THAT(trouble(), AllOf(HasSubstr("scaling.metrics[0]: "), HasSubstr(row.why)))
        << row.label;
  }
}

TEST_F(PrometheusSourceTest, ThroughAnOutageWhatWasKnownIsHeldUntilItIsTooOld) {
  answers["sum(x)"] = {vector("7")};
  answers["timestamp(x)"] = {stamp(-seconds(600))};  // as if just now, always
  model.prometheus->max_age = seconds(15);           // 1.5 s of wall time
  metric("sum(x)");
  start();
  ASSERT_TRUE(until([&] { return !metric_now().absent(); }));
  answers.clear();
  answers["sum(x)"] = {"down", 503};
  ASSERT_TRUE(until([&] { return source->failed() > 0; }));
  EXPECT_THAT(trouble(), HasSubstr("HTTP 503"));
  ASSERT_TRUE(until([&] { return metric_now().absent(); })) << "and then it is not known";
  EXPECT_THAT(trouble(), AllOf(HasSubstr("maxAge is 15 s"), HasSubstr("HTTP 503")));
  answers["sum(x)"] = {vector("8")};
  answers["timestamp(x)"] = {stamp(-seconds(600))};  // as if just now, always
  ASSERT_TRUE(until([&] { return metric_now().value == 8; })) << "it carries on by itself";
  EXPECT_THAT(source->troubles(clock.now()), IsEmpty());
}

TEST_F(PrometheusSourceTest, ASilentServerIsGivenUpOnAfterTheTimeout) {
  model.prometheus->timeout = millis(100);
  metric("sum(x)");
  start();
  ASSERT_TRUE(until([&] { return source->failed() > 0; }));
  EXPECT_THAT(trouble(), HasSubstr("timed out"));
}

TEST_F(PrometheusSourceTest, AQuestionIsUnderWayOnlyOnceAndMayBeDropped) {
  metric("sum(x)");
  start();
  ASSERT_TRUE(until([&] { return !held.empty(); }));
  EXPECT_EQ(source->asked(), 1);
  source.reset();
  held.front()->respond(200, {}, vector("1"));
  metric("sum(y)");
  answers["sum(y)"] = {vector("1")};
  answers["timestamp(y)"] = {stamp(-seconds(600))};
  start();
  ASSERT_TRUE(until([&] { return !metric_now(1).absent(); })) << "one silence holds up nobody else";
}

TEST_F(PrometheusSourceTest, AServersClockThatIsOffIsCorrectedFor) {
  answers["sum(x)"] = {vector("7"), 200, "Sun, 06 Nov 1994 08:49:37 GMT"};
  // As its clock is 1994's, so are its samples: 7 s before the answer.
  answers["timestamp(x)"] = {vector(std::to_string(784111777 - 7)), 200,
                             "Sun, 06 Nov 1994 08:49:37 GMT"};
  metric("sum(x)");
  start();
  ASSERT_TRUE(until([&] { return !metric_now().absent(); }));
  EXPECT_GE(clock.now() - metric_now().at, seconds(70));
}

TEST_F(PrometheusSourceTest, TheTokenIsReadAgainForEachQuery) {
  const std::string file = testing::TempDir() + "prometheus_token_" + std::to_string(getpid());
  std::ofstream(file) << "first\n";
  model.prometheus->bearer_token_file = file;
  metric("vector(1)");
  answers["vector(1)"] = {vector("1")};
  start();
  ASSERT_TRUE(until([&] { return !asked.empty(); }));
  EXPECT_EQ(asked[0].headers.get("Authorization"), "Bearer first");
  std::ofstream(file) << "second\n";
  ASSERT_TRUE(until([&] { return asked.back().headers.get("Authorization") == "Bearer second"; }));
  std::filesystem::remove(file);
  answers["vector(1)"] = {"who are you", 401};
  ASSERT_TRUE(
      until([&] { return source->failed() > 0 && !asked.back().headers.has("Authorization"); }));
  ASSERT_TRUE(until([&] { return trouble().find("cannot be read") != std::string::npos; }));
  EXPECT_THAT(trouble(), AllOf(HasSubstr("HTTP 401"), Not(HasSubstr("second"))));
}

TEST_F(PrometheusSourceTest, EnginesAreReadReplicaByReplicaFromTheirNewestSamples) {
  engines();
  const double now = unix_now();
  const std::string one = R"("instance":"10.0.0.1:8000","job":"v")";
  const std::string two = R"("instance":"10.0.0.2:8000","job":"v")";
  const std::string other = R"("instance":"10.0.0.9:8000","job":"v")";
  const auto running = [&](const std::string& labels, double at, int value) {
    return series("vllm:num_requests_running", labels, at, value);
  };
  answers["num_requests_running"] = {matrix(
      {running(one + R"(,"engine":"0")", now - 1, 3), running(one + R"(,"engine":"1")", now - 1, 4),
       running(one + R"(,"engine":"gone")", now - 2, 100), running(two, now - 3, 5),
       running(other, now, 50), series("vllm:num_requests_waiting", one, now - 1, 2),
       series("vllm:num_requests_waiting_by_others", one, now - 1, 2)})};
  start();
  source->add({ReplicaId(1), 0, {"10.0.0.1", 8000}, ""});
  source->add({ReplicaId(2), 0, {"10.0.0.2", 8000}, ""});
  source->add({ReplicaId(3), 1, {"10.0.0.9", 8000}, ""});  // of a variant that is scraped
  ASSERT_TRUE(until([&] { return heard.size() == 2; }));
  EXPECT_EQ(heard[0], std::pair(ReplicaId(1), 7.0)) << "both ranks, not the one that ended";
  EXPECT_EQ(heard[1], std::pair(ReplicaId(2), 5.0));
  const signal::ReplicaSignals* s = source->signals(ReplicaId(1), clock.now());
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->source, signal::Source::kPrometheus);
  EXPECT_EQ(s->value(SignalId::kWaitingRequests), 2);
  EXPECT_GE(clock.now() - s->at, seconds(10));
  EXPECT_EQ(source->signals(ReplicaId(3), clock.now()), nullptr);
  EXPECT_THAT(source->troubles(clock.now()), IsEmpty());
  EXPECT_THAT(net::query_value(asked[0].body, "query"),
              AllOf(HasSubstr("{__name__=~\"vllm:num_requests_running|"),
                    HasSubstr(",job=\"vllm\"}[60000ms]")));
  // The same samples again are no news; new ones are, and give rates.
  const auto before = asked.size();
  ASSERT_TRUE(until([&] { return asked.size() >= before + 2; }));
  EXPECT_EQ(heard.size(), 2U);
  answers["num_requests_running"] = {matrix({running(two, now - 2, 6)})};
  ASSERT_TRUE(until([&] { return heard.size() == 3; }));
  EXPECT_EQ(heard[2], std::pair(ReplicaId(2), 6.0));
  EXPECT_NE(source->signals(ReplicaId(1), clock.now()), nullptr) << "until it is too old";
  EXPECT_THAT(trouble(),
              HasSubstr("variant a: 1 series, of 1 of 2 replicas by their label instance"));
}

TEST_F(PrometheusSourceTest, ReplicasAreFoundByAddressHostOrNameInTheLabelThatIsNamed) {
  engines();
  model.variants[0].sense.replica_label = "pod";
  const double now = unix_now();
  answers["num_requests_running"] = {
      matrix({series("vllm:num_requests_running", R"("pod":"m-0")", now, 1),
              series("vllm:num_requests_running", R"("pod":"10.0.0.2")", now, 2),
              series("vllm:num_requests_running", R"("pod":"10.0.0.3:8000")", now, 3)})};
  start();
  source->add({ReplicaId(1), 0, {"10.0.0.1", 8000}, "m-0"});
  source->add({ReplicaId(2), 0, {"10.0.0.2", 8000}, "m-1"});
  source->add({ReplicaId(3), 0, {"10.0.0.3", 8000}, "m-2"});
  ASSERT_TRUE(until([&] { return heard.size() == 3; }));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(heard[i], std::pair(ReplicaId(i + 1), static_cast<double>(i + 1)));
  }
}

TEST_F(PrometheusSourceTest, AnEngineThatTwoJobsScrapeIsCountedOnce) {
  engines();
  const double now = unix_now();
  answers["num_requests_running"] = {
      matrix({series("vllm:num_requests_running", R"("instance":"h:1","job":"b")", now, 3),
              series("vllm:num_requests_running", R"("instance":"h:1","job":"a")", now, 3)})};
  start();
  source->add({ReplicaId(1), 0, {"h", 1}, ""});
  ASSERT_TRUE(until([&] { return !heard.empty(); }));
  EXPECT_EQ(heard[0].second, 3);
  EXPECT_THAT(trouble(), HasSubstr("several jobs scrape one engine, a and b"));
}

TEST(HttpDate, IsReadAsRfc9110WritesIt) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            WallTime::from_unix_nanos(784111777'000'000'000));
  for (const char* bad : {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 ovN 1994 08:49:37 GMT",
                          "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, xx Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
}

}  // namespace
}  // namespace tidegate::live
