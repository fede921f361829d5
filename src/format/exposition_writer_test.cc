#include "format/exposition_writer.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/base/rng.h"

namespace tidegate::format {
namespace {

TEST(ExpositionNumber, IsWhatThePythonClientWrites) {
  struct Row {
    double value;
    const char* text;
  };
  const Row rows[] = {
      {0, "0.0"},
      {8, "8.0"},
      {-2.5, "-2.5"},
      {0.001, "0.001"},
      {0.0001, "0.0001"},
      {0.00001, "1e-05"},
      {123456, "123456.0"},
      {1234567, "1.234567e+06"},
      {1e6, "1e+06"},
      {-1e6, "-1000000.0"},
      {1.5e9, "1.5e+09"},
      {1788184174.0815, "1.7881841740815e+09"},
      {1e16, "1e+16"},
      {0.8125, "0.8125"},
      {100.25, "100.25"},
      {std::numeric_limits<double>::infinity(), "+Inf"},
      {-std::numeric_limits<double>::infinity(), "-Inf"},
      {std::nan(""), "NaN"},
  };
  for (const Row& row : rows) EXPECT_EQ(exposition_number(row.value), row.text);
}

TEST(ExpositionNumber, ReadsBackTheSame) {
  Rng rng(3, "numbers");
  for (int i = 0; i < 20'000; ++i) {
    double value = std::bit_cast<double>(rng.next());
    if (i % 2 == 0) value = static_cast<double>(rng.below(1u << 30)) / 1024 * (i % 4 == 0 ? 1 : -1);
    if (std::isnan(value)) continue;
    std::string text = exposition_number(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
  }
}

TEST(ExpositionWriter, SortsAndEscapes) {
  std::string page;
  ExpositionWriter w(page);
  w.family("a:b", MetricType::kGauge, "one \\ two\n\"three\"");
  w.sample("a:b", {{"z", "q\"\\\n"}, {"engine", "0"}}, 1);
  w.sample("a:b", {}, 2);
  EXPECT_EQ(page,
            "# HELP a:b one \\\\ two\\n\"three\"\n# TYPE a:b gauge\n"
            "a:b{engine=\"0\",z=\"q\\\"\\\\\\n\"} 1.0\na:b 2.0\n");
}

TEST(ExpositionWriter, HistogramIsCumulativeWithLeInItsPlace) {
  std::string page;
  ExpositionWriter w(page);
  const double bounds[] = {0.5, 1};
  const std::int64_t counts[] = {3, 0, 2};
  w.histogram("h", {{"model_name", "m"}, {"engine", "0"}}, bounds, counts, 7.25);
  EXPECT_EQ(page,
            "h_bucket{engine=\"0\",le=\"0.5\",model_name=\"m\"} 3.0\n"
            "h_bucket{engine=\"0\",le=\"1.0\",model_name=\"m\"} 3.0\n"
            "h_bucket{engine=\"0\",le=\"+Inf\",model_name=\"m\"} 5.0\n"
            "h_count{engine=\"0\",model_name=\"m\"} 5.0\n"
            "h_sum{engine=\"0\",model_name=\"m\"} 7.25\n");
}

}  // namespace
}  // namespace tidegate::format
