#include "live/sense/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <set>

#include "live/net/http_server.h"
#include "live/sense/scrape_schedule.h"

namespace tidegate::live {
namespace {

using signal::DialectId;
using signal::SignalId;
using ::testing::HasSubstr;

constexpr Duration kLimit = seconds(20);

std::string vllm_page(int running, int tokens = 0) {
  return "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} " + std::to_string(running) +
         ".0\nvllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 1.0\n"
         "vllm:generation_tokens_total{engine=\"0\",model_name=\"m\"} " +
         std::to_string(tokens) + ".0\n";
}

class ScraperTest : public testing::Test {
 protected:
  /// The answer to every request, by path; kept open where there is none.
  std::map<std::string, std::function<void(net::Exchange&)>> pages;
  std::deque<net::ExchangePtr> held;
  std::size_t most_held = 0;
  int requests = 0;

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpServer server{*loop, {}, [this](net::ExchangePtr x) {
                           ++requests;
                           auto it = pages.find(x->request().path);
                           if (it != pages.end()) return it->second(*x);
                           held.push_back(std::move(x));
                           most_held = std::max(most_held, held.size());
                         }};
  net::Address address = server.listen({"127.0.0.1", 0}).value();
  net::HttpClient client{*loop};
  net::WorldClock clock{10};  // a period of 1 s is 100 ms here
  std::vector<ScrapeReport> reports;
  std::vector<double> running;  ///< of the good ones, in order
  std::unique_ptr<Scraper> scraper;

  void make(ScraperOptions options = {}) {
    scraper =
        std::make_unique<Scraper>(*loop, client, clock, options, [this](const ScrapeReport& r) {
          reports.push_back(r);
          if (r.signals != nullptr) running.push_back(r.signals->value(SignalId::kRunningRequests));
        });
  }
  void serve(const std::string& path, const std::string& body, int status = 200) {
    pages[path] = [body, status](net::Exchange& x) { x.respond(status, {}, body); };
  }
  void add(std::uint64_t id, std::string path = "", std::optional<DialectId> d = DialectId::kVllm) {
    ASSERT_TRUE(scraper->add({ReplicaId(id), address, std::move(path), d, ""}));
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kLimit); }
};

TEST_F(ScraperTest, ReadsAPageEveryPeriodAndGivesRatesFromTheSecondOn) {
  int scrapes = 0;
  pages["/metrics"] = [&](net::Exchange& x) { x.respond(200, {}, vllm_page(7, 1000 * ++scrapes)); };
  make();
  add(1);
  EXPECT_EQ(scraper->signals(ReplicaId(1), clock.now()), nullptr) << "not heard yet";
  ASSERT_TRUE(until([&] { return reports.size() >= 3; }));
  const signal::ReplicaSignals* s = scraper->signals(ReplicaId(1), clock.now());
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->value(SignalId::kRunningRequests), 7);
  EXPECT_GT(s->rate(SignalId::kOutputTokens, s->at, scraper->rule()).value, 0);
  EXPECT_EQ(reports[0].page.samples, 3U);
  EXPECT_TRUE(reports[0].error.empty());
}

TEST_F(ScraperTest, MoreTargetsThanASecondHasRoomForAreAllAskedLessOften) {
  serve("/metrics", vllm_page(7));
  make({.max_per_second = 100});  // wall: 10 in a period of 1 s of the world
  struct Row {
    const char* what;
    std::uint64_t targets;
    Duration period;
  };
  for (const Row& row :
       {Row{"as many as there is room for", 10, seconds(1)}, Row{"one more", 11, seconds(2)},
        Row{"up to the next whole period", 20, seconds(2)}, Row{"and on", 25, seconds(3)},
        Row{"a few that go change nothing", 19, seconds(3)},
        Row{"a tenth fewer than there is room for do", 18, seconds(2)},
        Row{"all the way down", 9, seconds(1)}}) {
    for (std::uint64_t id = scraper->targets() + 1; id <= row.targets; ++id) add(id);
    for (std::uint64_t id = scraper->targets(); id > row.targets; --id) {
      scraper->remove(ReplicaId(id));
    }
    EXPECT_EQ(scraper->period(), row.period) << row.what;
    EXPECT_EQ(scraper->rule().stale_after, row.period * 3) << row.what;
    EXPECT_EQ(scraper->rule().absent_after, row.period * 10) << row.what;
  }
}

TEST_F(ScraperTest, ManyTargetsAreAllScrapedAgainAndAgainWhileTheirPeriodGrows) {
  serve("/metrics", vllm_page(7));
  make({.max_per_second = 100});
  for (std::uint64_t id = 1; id <= 35; ++id) add(id);
  std::map<ReplicaId, int> seen;
  std::size_t read = 0;
  ASSERT_TRUE(until([&] {
    for (; read < reports.size(); ++read) ++seen[reports[read].id];
    return seen.size() == 35 &&
           std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.second >= 2; });
  }));
}

TEST_F(ScraperTest, ATargetThatIsHeardElsewhereIsNotToldHereAndMayRemoveItself) {
  serve("/metrics", vllm_page(7));
  make();
  int heard = 0;
  ASSERT_TRUE(scraper->add({.id = ReplicaId(1),
                            .address = address,
                            .path = "",
                            .dialect = DialectId::kVllm,
                            .token_file = "",
                            .heard = [&](const ScrapeReport& report) {
                              ++heard;
                              EXPECT_EQ(report.id, ReplicaId(1));
                              scraper->remove(report.id);
                            }}));
  add(2);
  ASSERT_TRUE(until([&] { return reports.size() >= 2 && heard > 0; }));
  EXPECT_EQ(heard, 1);
  for (const ScrapeReport& report : reports) EXPECT_EQ(report.id, ReplicaId(2));
}

TEST_F(ScraperTest, ATokenIsReadAgainForEachScrapeAndItsLossIsSaid) {
  std::string seen;
  pages["/metrics"] = [&](net::Exchange& x) {
    seen = x.request().headers.get("Authorization");
    seen == "Bearer good" ? x.respond(200, {}, vllm_page(7)) : x.respond(401, {}, "");
  };
  make();
  const std::string file = testing::TempDir() + "scraper_token_" + std::to_string(getpid());
  std::ofstream(file) << "good\n";
  ASSERT_TRUE(scraper->add({.id = ReplicaId(1),
                            .address = address,
                            .path = "",
                            .dialect = DialectId::kVllm,
                            .token_file = file}));
  ASSERT_TRUE(until([&] { return running.size() == 1; }));
  std::ofstream(file) << "bad";
  ASSERT_TRUE(until([&] { return reports.back().status == 401; }));
  EXPECT_EQ(seen, "Bearer bad");
  EXPECT_EQ(reports.back().error.find("bearerTokenFile"), std::string::npos);
  std::filesystem::remove(file);
  ASSERT_TRUE(until([&] { return seen.empty(); }));
  ASSERT_TRUE(
      until([&] { return reports.back().error.find("cannot be read") != std::string::npos; }));
  EXPECT_EQ(reports.back().error.find("bad;"), std::string::npos);
}

TEST_F(ScraperTest, ValuesGoStaleAfterThreePeriodsAndAreGoneAfterTen) {
  serve("/metrics", vllm_page(7));
  make();
  add(1);
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  const Instant at = reports[0].at;
  auto freshness = [&](Duration age) {
    const signal::ReplicaSignals* s = scraper->signals(ReplicaId(1), at + age);
    return s == nullptr
               ? signal::Freshness::kAbsent
               : s->signal(SignalId::kRunningRequests, at + age, scraper->rule()).freshness;
  };
  EXPECT_EQ(freshness(millis(2900)), signal::Freshness::kFresh);
  EXPECT_EQ(freshness(millis(3100)), signal::Freshness::kStale);
  EXPECT_EQ(freshness(millis(10100)), signal::Freshness::kAbsent);
  EXPECT_EQ(scraper->signals(ReplicaId(99), at), nullptr) << "unknown";
}

TEST_F(ScraperTest, FailuresAreReportedAndTheLastValuesAgeUntilItRecovers) {
  serve("/metrics", vllm_page(7));
  make();
  add(1);
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  serve("/metrics", "no", 503);
  ASSERT_TRUE(until([&] { return reports.back().signals == nullptr; }));
  EXPECT_THAT(reports.back().error, HasSubstr("HTTP 503"));
  EXPECT_NE(scraper->signals(ReplicaId(1), reports[0].at), nullptr);
  serve("/metrics", vllm_page(8));
  ASSERT_TRUE(until([&] { return running.back() == 8; }));
}

TEST_F(ScraperTest, APageThatNamesNothingWeKnowMakesSignalsAbsentAtOnce) {
  serve("/metrics", vllm_page(7));
  make();
  add(1);
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  for (const char* page : {"", "<html>hello</html>\n", "process_cpu_seconds_total 1\n",
                           "vllm:num_requests_running NaN\n"}) {
    serve("/metrics", vllm_page(7));
    ASSERT_TRUE(until([&] { return reports.back().signals != nullptr; }));
    serve("/metrics", page);
    ASSERT_TRUE(until([&] { return reports.back().signals == nullptr; }));
    EXPECT_THAT(reports.back().error, HasSubstr("no engine metrics we know")) << page;
    EXPECT_EQ(scraper->signals(ReplicaId(1), reports.back().at), nullptr) << page;
  }
}

TEST_F(ScraperTest, GarbageBetweenGoodLinesIsCountedAndTheRestRead) {
  serve("/metrics", "vllm:num_requests_running{oops\n" + vllm_page(7));
  make();
  add(1);
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  EXPECT_EQ(running, std::vector<double>{7});
  EXPECT_EQ(reports[0].page.garbage, 1U);
  EXPECT_EQ(reports[0].page.first_garbage_line, 1U);
}

TEST_F(ScraperTest, FindsTheDialectByTheNamesAndForgetsItWithThem) {
  serve("/metrics", "tgi_queue_size 3\ntgi_batch_current_size 9\n");
  make();
  add(1, "", std::nullopt);
  ASSERT_TRUE(until([&] { return !running.empty(); }));
  EXPECT_EQ(running.back(), 9);
  EXPECT_EQ(scraper->signals(ReplicaId(1), reports.back().at)->dialect, DialectId::kTgi);
  serve("/metrics", vllm_page(5));
  ASSERT_TRUE(until([&] { return running.back() == 5; }));
  EXPECT_EQ(scraper->signals(ReplicaId(1), reports.back().at)->dialect, DialectId::kVllm);
}

TEST_F(ScraperTest, AsksEachEngineAtItsOwnPath) {
  serve("/prometheus/metrics", "trtllm_num_requests_running 4\n");
  serve("/elsewhere", vllm_page(6));
  make();
  add(1, "", DialectId::kTrtllm);
  add(2, "/elsewhere");
  ASSERT_TRUE(until([&] { return running.size() >= 2; }));
  EXPECT_EQ(scraper->signals(ReplicaId(1), clock.now())->value(SignalId::kRunningRequests), 4);
  EXPECT_EQ(scraper->signals(ReplicaId(2), clock.now())->value(SignalId::kRunningRequests), 6);
}

TEST_F(ScraperTest, APageAtTheLimitIsReadAndOneByteMoreFails) {
  serve("/metrics", vllm_page(7));
  make({.max_page_bytes = vllm_page(7).size()});
  add(1);
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  EXPECT_TRUE(reports[0].error.empty()) << reports[0].error;
  serve("/metrics", vllm_page(7) + "\n");
  ASSERT_TRUE(until([&] { return reports.back().signals == nullptr; }));
}

TEST_F(ScraperTest, ASilentEngineIsGivenUpAfterTheTimeBoxAndOthersGoOn) {
  serve("/metrics", vllm_page(7));
  make({.time_box = millis(50)});
  add(1);
  add(2, "/silent");
  ASSERT_TRUE(until([&] {
    return std::any_of(reports.begin(), reports.end(),
                       [](const auto& r) { return r.id == ReplicaId(2); }) &&
           running.size() >= 2;
  }));
  for (const ScrapeReport& r : reports) {
    EXPECT_EQ(r.signals == nullptr, r.id == ReplicaId(2));
    if (r.id == ReplicaId(2)) {
      EXPECT_THAT(r.error, HasSubstr("within 50 ms"));
    }
  }
}

TEST_F(ScraperTest, AnEngineThatIsNotThereIsAFailure) {
  net::Address nobody;
  {
    net::HttpServer gone(*loop, {}, [](const net::ExchangePtr&) {});
    nobody = gone.listen({"127.0.0.1", 0}).value();
  }
  make();
  ASSERT_TRUE(scraper->add({.id = ReplicaId(1), .address = nobody}));
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  EXPECT_EQ(reports[0].signals, nullptr);
  EXPECT_THAT(reports[0].error, HasSubstr(nobody.text()));
}

TEST_F(ScraperTest, NeverAsksMoreAtOnceThanAllowedAndComesToEveryone) {
  make({.time_box = kLimit, .max_concurrent = 3});
  for (std::uint64_t id = 1; id <= 10; ++id) add(id);
  ASSERT_TRUE(until([&] { return held.size() == 3; }));
  EXPECT_EQ(scraper->under_way(), 3U);
  std::set<std::uint64_t> heard;
  ASSERT_TRUE(until([&] {
    if (!held.empty()) {
      net::ExchangePtr x = std::move(held.front());
      held.pop_front();
      x->respond(200, {}, vllm_page(1));
    }
    for (const ScrapeReport& r : reports) heard.insert(r.id.value());
    return heard.size() == 10;
  }));
  EXPECT_EQ(most_held, 3U);
}

TEST_F(ScraperTest, ARemovedTargetIsNeverHeardOfAgain) {
  make({.time_box = kLimit});
  add(1);
  ASSERT_TRUE(until([&] { return !held.empty(); }));
  scraper->remove(ReplicaId(1));
  EXPECT_EQ(scraper->under_way(), 0U);
  EXPECT_EQ(scraper->targets(), 0U);
  held.front()->respond(200, {}, vllm_page(1));
  serve("/metrics", vllm_page(2));
  add(2);
  ASSERT_TRUE(until([&] { return reports.size() >= 2; }));
  for (const ScrapeReport& r : reports) EXPECT_EQ(r.id, ReplicaId(2));
  EXPECT_EQ(requests, 1 + static_cast<int>(reports.size()));
}

TEST_F(ScraperTest, ATargetMayBeRemovedFromTheCallback) {
  serve("/metrics", vllm_page(7));
  int calls = 0;
  scraper =
      std::make_unique<Scraper>(*loop, client, clock, ScraperOptions{}, [&](const ScrapeReport& r) {
        ++calls;
        scraper->remove(r.id);
      });
  for (std::uint64_t id = 1; id <= 5; ++id) add(id);
  ASSERT_TRUE(until([&] { return scraper->targets() == 0; }));
  EXPECT_EQ(calls, 5);
}

TEST_F(ScraperTest, TakesTheMostTargetsAllowedAndRefusesOneMore) {
  make({.max_targets = 2});
  add(1);
  add(2);
  EXPECT_FALSE(scraper->add({.id = ReplicaId(3), .address = address}));
  add(2);  // replaced, not added
  EXPECT_EQ(scraper->targets(), 2U);
}

TEST_F(ScraperTest, ReachesTwoThousandTargets) {
  serve("/metrics", vllm_page(1));
  make({.period = seconds(5)});
  for (std::uint64_t id = 1; id <= 2000; ++id) add(id);
  std::set<std::uint64_t> heard;
  std::size_t seen = 0;
  ASSERT_TRUE(until([&] {
    for (; seen < reports.size(); ++seen) {
      if (reports[seen].signals != nullptr) heard.insert(reports[seen].id.value());
    }
    return heard.size() == 2000;
  }));
}

TEST(ScrapeSchedule, PhasesFillThePeriodEvenly) {
  constexpr int kSlots = 10, kTargetsEach = 1'000, kTargets = kSlots * kTargetsEach;
  std::array<int, kSlots> slots{};
  for (std::uint64_t id = 1; id <= kTargets; ++id) {
    Duration phase = scrape_phase(1, ReplicaId(id), seconds(1));
    ASSERT_GE(phase, Duration(0));
    ASSERT_LT(phase, seconds(1));
    ASSERT_EQ(phase, scrape_phase(1, ReplicaId(id), seconds(1)));
    ++slots[static_cast<std::size_t>(phase / millis(100))];
  }
  for (int n : slots) EXPECT_NEAR(n, kTargetsEach, 150);
}

TEST(ScrapeSchedule, LateScrapesAreSkippedNotMadeUp) {
  auto at = [](std::int64_t ms) { return Instant::from_nanos(ms * 1'000'000); };
  EXPECT_EQ(next_on_grid(at(100), at(50), millis(1000)), at(100));
  EXPECT_EQ(next_on_grid(at(100), at(100), millis(1000)), at(1100));
  EXPECT_EQ(next_on_grid(at(100), at(1099), millis(1000)), at(1100));
  EXPECT_EQ(next_on_grid(at(100), at(7350), millis(1000)), at(8100));
}

TEST(ScrapeSchedule, BackOffDoublesWithinAFifthUpToItsLimit) {
  for (std::uint64_t id = 1; id <= 50; ++id) {
    for (int n = 1; n <= 100; ++n) {
      Duration pause = scrape_backoff(1, ReplicaId(id), n, seconds(1), seconds(15));
      Duration nominal = n >= 4 ? seconds(15) : seconds(std::int64_t{1} << n);
      EXPECT_GE(pause, nominal * 4 / 5);
      EXPECT_LE(pause, std::min(nominal * 6 / 5, seconds(15)));
    }
  }
}

}  // namespace
}  // namespace tidegate::live
