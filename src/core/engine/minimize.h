#pragma once
// Minimize: the least value of a rough function of a few numbers, without derivatives.
//
// Nelder and Mead's simplex (1965) with the dimension-dependent coefficients of Gao and Han (2012),
// begun again from the best point with a fresh simplex of random size whenever it has collapsed: a
// simulated error is full of small steps and ridges, which one simplex gets stuck in. The number of
// evaluations is fixed, chance comes from the caller's stream: the same input gives the same bits.
//
//   Minimum least = minimize([](const std::vector<double>& x) { return x[0] * x[0]; },
//                            {.start = {1}, .step = 0.5, .evaluations = 100}, rng);
//
// Thread-safety: a function.

#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/rng.h"

namespace tidegate::engine {

struct MinimizeOptions {
  std::vector<double> start;       ///< one number at least
  double step = 0.5;               ///< size of the first simplex, the same in every direction
  std::int64_t evaluations = 500;  ///< of the function; exactly so many, >= dimensions + 1
};

struct Minimum {
  std::vector<double> at;
  double value = 0;
};

Minimum minimize(const std::function<double(const std::vector<double>&)>& function,
                 const MinimizeOptions& options, Rng& rng);

}  // namespace tidegate::engine
