#include "sim/report/html.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "sim/report/report_test_data.h"
#include "sim/report/template.h"

namespace tidegate::sim {
namespace {

using namespace testing_report;
using Json = nlohmann::ordered_json;

/// The data as the page's script reads it.
Json data_of(const std::string& page) {
  std::string mark = "<script id=\"data\" type=\"application/json\">";
  std::size_t from = page.find(mark) + mark.size();
  return Json::parse(page.substr(from, page.find("</script>", from) - from));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Json result(const std::string& policy) {
  return {{"policy", policy}, {"requests", 10}, {"sloAttainment", 0.5}, {"cost", 1.25}};
}

TEST(ReportTemplate, HasEachPlaceOnceAndNothingFromOutside) {
  std::string page(report_template());
  EXPECT_EQ(count(page, "{{TITLE}}"), 1U);
  EXPECT_EQ(count(page, "{{DATA}}"), 1U);
  EXPECT_EQ(page.find("@REPORT"), page.npos) << "a part was not put in";
  EXPECT_NE(page.find("function timeChart"), page.npos);
  EXPECT_NE(page.find("default-src 'none'"), page.npos);
  std::regex outside(R"((src|href)\s*=|@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg))");
  std::smatch found;
  // url(#clip) refers to the page itself; the namespace of SVG is a name, not an address.
  EXPECT_FALSE(std::regex_search(page, found, outside)) << found.str();
}

TEST(ReportHtml, NoTextFromOutsideBecomesMarkup) {
  const std::string evil = "</script><script>alert(1)</script><!--&\"'";
  spec::Model model = two_variants();
  model.name = model.variants[0].name = evil;
  SeriesRecorder seen(model);
  tell_life(seen);
  RunInfo info{.title = evil, .program = evil, .command = evil, .spec = evil, .trace = evil};
  std::string page = report_html(info, Json::array({result(evil)}), {{evil, &seen}});
  EXPECT_EQ(count(page, "alert(1)"), count(page, "\\u003cscript>alert(1)\\u003c/script>") + 1);
  EXPECT_NE(page.find("<title>&lt;/script&gt;&lt;script&gt;alert(1)"), page.npos);
  EXPECT_EQ(count(page, "</script>"), count(std::string(report_template()), "</script>"));
  Json data = data_of(page);
  EXPECT_EQ(data["title"], evil);
  EXPECT_EQ(data["runs"][0]["model"], evil);
  EXPECT_EQ(data["results"][0]["policy"], evil);
}

TEST(ReportHtml, BytesThatAreNoTextDoNotStopIt) {
  spec::Model model = two_variants();
  model.name = "bad \xff name";
  SeriesRecorder seen(model);
  std::string page = report_html({}, Json::array(), {{"hpa", &seen}});
  EXPECT_EQ(data_of(page)["runs"][0]["model"], "bad \xEF\xBF\xBD name");
}

TEST(ReportJson, ResultsAreThoseGiven) {
  Json results = Json::array({result("hpa"), result("oracle:0.99")});
  Json data = report_json({.seed = 7}, results, {});
  EXPECT_EQ(data["results"], results);
  EXPECT_EQ(data["title"], "Simulation");
  EXPECT_EQ(data["about"], Json::parse(R"([["seed", "7"]])")) << "what is empty is left out";
}

TEST(ReportJson, APeakOfOneSecondInAWeekIsShown) {
  SeriesRecorder seen(two_variants());
  const std::int64_t week = 7 * 86'400, peak = 400'000;
  for (std::int64_t i = 1; i <= week; ++i) {
    seen.sample({.at = Instant() + seconds(i),
                 .arrived_total = i * 3,
                 .queued = i == peak ? 1'234 : 0,
                 .ready = i == peak ? 0 : 4});
  }
  Json series = report_json({}, Json::array(), {{"hpa", &seen}})["runs"][0]["series"];
  ASSERT_LE(series["from"].size(), kReportBuckets);
  ASSERT_GE(series["from"].size(), kReportBuckets / 2);
  EXPECT_EQ(series["to"], week);
  double most = 0, least = 4;
  std::size_t where = 0;
  for (std::size_t i = 0; i < series["from"].size(); ++i) {
    if (series["queue"]["most"][i] > most) {
      most = series["queue"]["most"][i];
      where = i;
    }
    least = std::min(least, series["ready"]["least"][i].get<double>());
  }
  EXPECT_EQ(most, 1'234);
  EXPECT_EQ(least, 0);
  EXPECT_LT(series["from"][where], peak);
  EXPECT_GE(series["from"][where + 1], peak);
  EXPECT_FALSE(series["arrivals"].contains("most")) << "the same everywhere: the mean says it all";
  EXPECT_EQ(series["arrivals"]["mean"][0], 3);
}

TEST(ReportJson, CapacityIsWhatReadyReplicasOfEachVariantSustain) {
  SeriesRecorder seen(two_variants());
  for (std::uint64_t id : {1, 2, 3}) {
    Change ready = change(id, control::ReplicaState::kReady, id == 3 ? 1 : 0);
    ready.adopted = true;
    seen.replica(at(0), ready);
  }
  seen.request(
      {.ending = workload::Ending::kCompleted, .prompt_tokens = 500, .output_tokens = 500});
  seen.sample({.at = at(1), .ready = 3});
  Json run = report_json({}, Json::array(), {{"hpa", &seen}})["runs"][0];
  double one = run["variants"][0]["requestsPerSecond"],
         other = run["variants"][1]["requestsPerSecond"];
  EXPECT_NEAR(run["series"]["capacity"]["mean"][0].get<double>(), 2 * one + other, 0.01 * one);
}

/// What a browser makes of the page, as markup; TIDEGATE_BROWSER names a Chromium.
std::string rendered(const std::string& page, const char* browser) {
  std::string path = ::testing::TempDir() + "/tidegate_report_test.html";
  std::ofstream(path) << page;
  std::string command = std::string(browser) +
                        " --headless --no-sandbox --disable-gpu --dump-dom file://" + path +
                        " 2>/dev/null";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char bytes[4'096];
  for (std::size_t n; (n = std::fread(bytes, 1, sizeof bytes, pipe)) > 0;) out.append(bytes, n);
  ::pclose(pipe);
  std::filesystem::remove(path);
  return out;
}

TEST(ReportHtml, ABrowserDrawsEveryChartOfEveryKindOfRun) {
  const char* browser = std::getenv("TIDEGATE_BROWSER");
  if (browser == nullptr) GTEST_SKIP() << "TIDEGATE_BROWSER names no Chromium";
  SeriesRecorder full(two_variants()), empty(two_variants());
  tell_life(full);
  for (int i = 1; i <= 50; ++i) {
    full.sample({.at = at(i), .arrived_total = i, .queued = i % 7, .ttft_p99_seconds = 0.1 * i});
  }
  full.decision(decision(at(3), {2, 1}, {{ReasonCode::kPanic, "h100", 0, 3, {}}}), 0);
  struct Row {
    const char* label;
    Json results;
    std::vector<ReportRun> runs;
    std::vector<std::string> shown;
  };
  for (const Row& row : {
           Row{"a run with everything",
               Json::array({result("hpa")}),
               {{"hpa", &full}},
               {"Traffic against capacity", "weights", "Panic", "50.00 %", "SLO p99 2 s"}},
           Row{"a run in which nothing happened",
               Json::array({result("hpa")}),
               {{"hpa", &empty}},
               {"No replica was started.", "No decision was recorded.", "No request ended."}},
           Row{"results alone",
               Json::array({result("hpa"), result("oracle:0.99")}),
               {},
               {"The diamond is the oracle"}},
           Row{"nothing at all", Json::array(), {}, {"No results."}},
           Row{"several models",
               Json::array(
                   {{{"policy", "hpa"},
                     {"cost", 1},
                     {"models",
                      Json::array({{{"model", "qwen"}, {"sloAttainment", 0.25}, {"cost", 2}}})}}}),
               {{"hpa", &full}},
               {"Met against cost, qwen", "25.00 %"}},
       }) {
    SCOPED_TRACE(row.label);
    std::string page = rendered(report_html({}, row.results, row.runs), browser);
    page.erase(0, page.find("<body>"));
    page.erase(page.find("<script id="), page.size());
    for (const std::string& text : row.shown) EXPECT_NE(page.find(text), page.npos) << text;
    EXPECT_EQ(page.find("NaN"), page.npos);
    EXPECT_EQ(page.find("undefined"), page.npos);
  }
}

TEST(ReportHtml, TwentyPoliciesOverAWeekStayBelowTwoMegabytes) {
  // As uneven as it gets: every figure has five digits and differs within its bucket.
  SeriesRecorder seen(two_variants());
  for (std::int64_t i = 1; i <= 600 * 64; ++i) {
    std::int64_t x = (i * 7'919) % 99'991;
    double real = static_cast<double>(x) / 7e3;
    seen.sample({.at = Instant() + millis(i * 15'751),
                 .arrived_total = i * 100 + x % 100,
                 .met_total = i * 10 + x % 10,
                 .ended_total = i * 11 + x % 10,
                 .queued = x,
                 .engine_waiting = x / 3,
                 .running = x / 7,
                 .kv_usage = real / 15,
                 .ttft_p99_seconds = real,
                 .ordered = x % 7,
                 .starting = x % 11,
                 .ready = x % 101,
                 .sleeping = x % 3,
                 .draining = x % 5,
                 .desired = x % 103,
                 .cost_dollars = static_cast<double>(i) * 0.0137});
    if (i % 10 == 0) tell_life(seen, static_cast<std::uint64_t>(i));
    seen.decision(decision(at(static_cast<double>(i)), {x % 103, 0},
                           {{static_cast<ReasonCode>(i % 30), "h100", x % 9, x % 103, {}}}),
                  0);
  }
  std::vector<ReportRun> runs(20, ReportRun{"a-policy-with-a-long-name:0.99", &seen});
  std::string page = report_html({}, Json::array(), runs);
  EXPECT_LT(page.size(), 2'000'000U);
  EXPECT_GT(page.size(), 500'000U) << "or the bound was tested with too little";
  EXPECT_LE(data_of(page)["runs"][0]["series"]["from"].size(), kReportPoints / 20);
}

}  // namespace
}  // namespace tidegate::sim
