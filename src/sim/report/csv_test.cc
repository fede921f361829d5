#include "sim/report/csv.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/report/report_test_data.h"

namespace tidegate::sim {
namespace {

using namespace testing_report;

/// Fields of one record by RFC 4180, to hold the writer against.
std::vector<std::string> parse_row(std::string_view text) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      out.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

class Csv : public ::testing::Test {
 protected:
  std::string path_ = ::testing::TempDir() + "/tidegate_csv_test.csv";
  std::unique_ptr<OutFile> file_ = *OutFile::create(path_);
  std::string text() {
    EXPECT_TRUE(file_->commit());
    std::ifstream in(path_, std::ios::binary);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }
  void TearDown() override { std::filesystem::remove(path_); }
};

TEST(CsvField, WhatHasCommaQuoteOrLineEndIsQuotedAndReadsBack) {
  for (std::string text : {"plain", "", "a,b", "say \"hi\"", "two\r\nlines", "\"", "a b"}) {
    EXPECT_EQ(parse_row(csv_field(text) + ",end"), (std::vector<std::string>{text, "end"}));
  }
  EXPECT_EQ(csv_field("plain"), "plain");
  EXPECT_EQ(csv_field("a\"b"), "\"a\"\"b\"");
}

TEST_F(Csv, ACompletedRequestHasEveryTimeExactToTheNanosecond) {
  RequestCsv csv(*file_, "keda:5", "a,b");
  csv.request({.number = 7,
               .arrived = Instant::from_nanos(1'000'000'001),
               .dispatched = Instant::from_nanos(1'500'000'001),
               .first = at(2),
               .ended = at(4),
               .ending = workload::Ending::kCompleted,
               .met = true,
               .prompt_tokens = 500,
               .cached_tokens = 16,
               .output_tokens = 5,
               .priority = 1,
               .replica = ReplicaId(3)});
  EXPECT_EQ(text(),
            "keda:5,\"a,b\",7,1.000000001,1.500000001,2,4,completed,1,0.5,0.999999999,0.5,"
            "2.999999999,500,16,5,1,3\r\n");
}

TEST_F(Csv, WhatDidNotHappenIsEmpty) {
  RequestCsv csv(*file_, "hpa", "m");
  csv.request({.number = 1,
               .arrived = at(1),
               .ended = at(121),
               .ending = workload::Ending::kTimedOut,
               .prompt_tokens = 9});
  EXPECT_EQ(text(), "hpa,m,1,1,,,121,timedOut,0,,,,,9,0,0,0,\r\n");
}

TEST_F(Csv, AOneTokenAnswerHasNoInterTokenLatency) {
  RequestCsv csv(*file_, "hpa", "m");
  csv.request({.number = 1,
               .arrived = at(1),
               .dispatched = at(1),
               .first = at(2),
               .ended = at(2),
               .ending = workload::Ending::kCompleted,
               .prompt_tokens = 9,
               .output_tokens = 1,
               .replica = ReplicaId(1)});
  EXPECT_EQ(text(), "hpa,m,1,1,1,2,2,completed,0,0,1,,1,9,0,1,0,1\r\n");
}

TEST_F(Csv, ADecisionIsARowAVariantWithItsOwnReasonsAndTheModels) {
  DecisionCsv csv(*file_, "hpa", "m");
  csv.decision(decision(at(60), {4, 1},
                        {{ReasonCode::kMetric, "h100", 2, 5, {{"waiting_requests", 12.5}}},
                         {ReasonCode::kMaxReplicas, "h100", 5, 4, {}},
                         {ReasonCode::kWithinTolerance, "l40s", 1, 1, {}},
                         {ReasonCode::kObserveMode, "", 5, 5, {}}}),
               3);
  EXPECT_EQ(text(),
            "hpa,m,60,0,3,h100,5,4,1,MaxReplicas,Metric 2->5 (waiting_requests=12.5); MaxReplicas "
            "5->4; ObserveMode 5->5\r\n"
            "hpa,m,60,0,3,l40s,2,1,1,ObserveMode,WithinTolerance 1->1; ObserveMode 5->5\r\n");
}

TEST_F(Csv, HeadersNameAsManyColumnsAsRowsHave) {
  RequestCsv requests(*file_, "p", "m");
  DecisionCsv decisions(*file_, "p", "m");
  requests.request({.number = 1, .arrived = at(1), .ended = at(2)});
  decisions.decision(decision(at(1), {1}), 0);
  std::istringstream in(text());
  std::string row;
  std::getline(in, row);
  EXPECT_EQ(parse_row(row).size(), parse_row(RequestCsv::header()).size());
  std::getline(in, row);
  EXPECT_EQ(parse_row(row).size(), parse_row(DecisionCsv::header()).size());
}

}  // namespace
}  // namespace tidegate::sim
