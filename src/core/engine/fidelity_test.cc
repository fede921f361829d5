// The model beside real engines: runs of vLLM 0.19 far over capacity (hundreds waiting, KV
// exhausted, preemptions), each with the five coefficients that fit it best. What is tested is that
// five numbers suffice for the law and the scheduler to give TTFT, TPOT and E2E of such a run, mean
// and tail.
//
// TIDEGATE_ENGINE_RUNS names a directory with one folder a run and `requests.jsonl` in it (fields
// input_toks, output_toks, queued_ts, first_token_ts, last_token_ts; seconds). Skipped where unset.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/engine/engine.h"

namespace tidegate::engine {
namespace {

struct Row {
  double queued = 0, first = 0, last = 0;  ///< s
  std::int64_t prompt = 0, output = 0;
};

double number_of(const std::string& line, const std::string& field) {
  std::size_t at = line.find('"' + field + '"');
  return at == std::string::npos ? 0 : std::strtod(line.c_str() + line.find(':', at) + 1, nullptr);
}
std::vector<Row> rows_of(const std::string& path) {
  std::vector<Row> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    Row row{number_of(line, "queued_ts"), number_of(line, "first_token_ts"),
            number_of(line, "last_token_ts"),
            static_cast<std::int64_t>(number_of(line, "input_toks")),
            static_cast<std::int64_t>(number_of(line, "output_toks"))};
    if (row.output > 1) rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return a.queued < b.queued; });
  return rows;
}

/// The same arrivals and lengths through the model.
std::vector<Row> replay(std::vector<Row> rows, const Options& options) {
  Engine engine(options);
  double start = rows.front().queued;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EngineRequest request;
    request.id = RequestId(i + 1);
    request.prompt = Tokens(rows[i].prompt);
    request.output = Tokens(rows[i].output);
    engine.submit(request, Instant{} + seconds_f(rows[i].queued - start));
  }
  std::vector<EngineEvent> events;
  engine.advance(Instant{} + seconds(36'000), events);
  for (const EngineEvent& e : events) {
    Row& row = rows[e.id.value() - 1];
    if (e.kind == EventKind::kFirstToken) row.first = start + to_seconds(e.at - Instant{});
    if (e.kind == EventKind::kFinished) row.last = start + to_seconds(e.at - Instant{});
  }
  return rows;
}

double ttft(const Row& r) { return r.first - r.queued; }
double tpot(const Row& r) { return (r.last - r.first) / static_cast<double>(r.output - 1); }
double e2e(const Row& r) { return r.last - r.queued; }

void expect_close(const char* what, const std::vector<Row>& real, const std::vector<Row>& model,
                  double (*latency)(const Row&)) {
  auto figures = [&](const std::vector<Row>& rows) {
    std::vector<double> all;
    double mean = 0;
    for (const Row& row : rows) {
      all.push_back(latency(row));
      mean += all.back() / static_cast<double>(rows.size());
    }
    std::sort(all.begin(), all.end());
    return std::pair(mean, all[all.size() * 99 / 100]);
  };
  auto [real_mean, real_p99] = figures(real);
  auto [model_mean, model_p99] = figures(model);
  EXPECT_NEAR(model_mean / real_mean, 1, 0.03) << what << ", mean";
  EXPECT_NEAR(model_p99 / real_p99, 1, 0.04) << what << ", p99";
}

void compare(const std::string& run, const Options& options) {
  const char* directory = std::getenv("TIDEGATE_ENGINE_RUNS");
  if (directory == nullptr) GTEST_SKIP() << "TIDEGATE_ENGINE_RUNS is not set";
  std::vector<Row> real = rows_of(std::string(directory) + "/" + run + "/requests.jsonl");
  if (real.empty()) GTEST_SKIP() << "no run " << run << " in " << directory;
  std::vector<Row> model = replay(real, options);
  expect_close("TTFT", real, model, ttft);
  expect_close("TPOT", real, model, tpot);
  expect_close("E2E", real, model, e2e);
}

TEST(Fidelity, Llama8BOnAConsumerCardWithItsKvExhausted) {
  Options o;
  o.profile.c0_fs = 17'145'000'000'000;
  o.profile.c1_fs = 97'906'000'000;
  o.profile.c2_fs = 25'476'000'000;
  o.profile.c3_fs = 155'210'000;
  o.profile.c4_fs = 4'745'000;
  o.profile.kv_tokens = 42'016;
  o.profile.async_scheduling = o.profile.reserve_full_prompt = 1;
  compare("rtx4090-llama-3.1-8b", o);
}

TEST(Fidelity, Qwen32BOnTwoCardsAtItsSequenceLimit) {
  Options o;
  o.profile.c0_fs = 25'205'000'000'000;
  o.profile.c1_fs = 151'710'000'000;
  o.profile.c2_fs = 39'010'000'000;
  o.profile.c3_fs = 217'200'000;
  o.profile.c4_fs = 15'499'000;
  o.profile.kv_tokens = 350'000;
  o.max_num_seqs = 128;
  compare("rtxpro6000-qwen3-32b", o);
}

}  // namespace
}  // namespace tidegate::engine
