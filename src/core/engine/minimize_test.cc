#include "core/engine/minimize.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tidegate::engine {
namespace {

TEST(Minimize, FindsTheLeastOfSmoothAndOfRoughFunctions) {
  struct Row {
    const char* label;
    double (*f)(const std::vector<double>&);
    std::vector<double> start, least;
  };
  const Row rows[] = {
      {"a bowl", [](const std::vector<double>& x) { return (x[0] - 3) * (x[0] - 3); }, {0}, {3}},
      {"Rosenbrock's valley",
       [](const std::vector<double>& x) {
         double a = 1 - x[0], b = x[1] - x[0] * x[0];
         return a * a + 100 * b * b;
       },
       {-1, 2},
       {1, 1}},
      {"a sum of kinks",
       [](const std::vector<double>& x) {
         return std::abs(x[0] - 1) + 3 * std::abs(x[1] + 2) + std::abs(x[2]);
       },
       {5, 5, 5},
       {1, -2, 0}},
      {"stairs on a slope",
       [](const std::vector<double>& x) {
         return std::floor(20 * std::abs(x[0] - 2)) + std::abs(x[1] - 1);
       },
       {-6, 4},
       {2, 1}},
  };
  for (const Row& row : rows) {
    Rng rng(1, "minimize");
    Minimum found = minimize(row.f, {row.start, 1, 4'000}, rng);
    for (std::size_t d = 0; d < row.least.size(); ++d)
      EXPECT_NEAR(found.at[d], row.least[d], 0.06) << row.label;
    EXPECT_EQ(found.value, row.f(found.at)) << row.label;
  }
}

TEST(Minimize, EvaluatesExactlyAsOftenAsAskedAndNeverGivesWorseThanTheStart) {
  for (std::int64_t budget : {4, 5, 17, 300}) {
    std::int64_t calls = 0;
    Rng rng(2, "minimize");
    auto f = [&](const std::vector<double>& x) {
      ++calls;
      return std::abs(x[0]) + std::abs(x[1]) + std::abs(x[2]);
    };
    Minimum found = minimize(f, {{0.1, 0.2, 0.3}, 1, budget}, rng);
    EXPECT_EQ(calls, budget);
    EXPECT_LE(found.value, 0.6 + 1e-12);
  }
}

}  // namespace
}  // namespace tidegate::engine
