#include "core/engine/minimize.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace tidegate::engine {
namespace {

constexpr double kCollapsed = 1e-4;  ///< relative spread of values at which a simplex has settled

class Simplex {
 public:
  Simplex(const std::function<double(const std::vector<double>&)>& function, std::int64_t budget)
      : function_(function), left_(budget) {}

  bool spent() const { return left_ <= 0; }
  const Minimum& best() const { return best_; }
  Minimum evaluate(std::vector<double> at) {
    --left_;
    Minimum point{std::move(at), 0};
    point.value = function_(point.at);
    if (best_.at.empty() || point.value < best_.value) best_ = point;
    return point;
  }
  void begin(const std::vector<double>& start, double step, Rng& rng) {
    points_.clear();
    points_.push_back(evaluate(start));
    for (std::size_t i = 0; i < start.size() && !spent(); ++i) {
      std::vector<double> at = start;
      at[i] += rng.below(2) == 0 ? step : -step;
      points_.push_back(evaluate(std::move(at)));
    }
  }
  /// One move. False once it has settled.
  bool move() {
    std::stable_sort(points_.begin(), points_.end(),
                     [](const Minimum& a, const Minimum& b) { return a.value < b.value; });
    Minimum& worst = points_.back();
    const double spread = worst.value - points_.front().value;
    if (!(spread > kCollapsed * std::abs(points_.front().value) + 1e-12)) return false;
    const auto n = static_cast<double>(points_.size() - 1);
    Minimum reflected = evaluate(along(1));
    if (reflected.value < points_.front().value) {
      if (spent()) return true;
      Minimum expanded = evaluate(along(1 + 2 / n));
      worst = expanded.value < reflected.value ? expanded : reflected;
    } else if (reflected.value < points_[points_.size() - 2].value) {
      worst = reflected;
    } else if (!spent()) {
      const double inside = 0.75 - 1 / (2 * n);
      Minimum contracted = evaluate(along(reflected.value < worst.value ? inside : -inside));
      if (contracted.value < std::min(reflected.value, worst.value)) {
        worst = contracted;
      } else {
        shrink(1 - 1 / n);
      }
    }
    return true;
  }

 private:
  /// From the worst point through the middle of the others: 0 is the middle, 1 the reflection.
  std::vector<double> along(double factor) const {
    const std::vector<double>& worst = points_.back().at;
    std::vector<double> out(worst.size());
    for (std::size_t d = 0; d < out.size(); ++d) {
      double middle = 0;
      for (std::size_t i = 0; i + 1 < points_.size(); ++i) middle += points_[i].at[d];
      middle /= static_cast<double>(points_.size() - 1);
      out[d] = middle + factor * (middle - worst[d]);
    }
    return out;
  }
  void shrink(double factor) {
    for (std::size_t i = 1; i < points_.size() && !spent(); ++i) {
      std::vector<double> at = points_[i].at;
      for (std::size_t d = 0; d < at.size(); ++d) {
        at[d] = points_[0].at[d] + factor * (at[d] - points_[0].at[d]);
      }
      points_[i] = evaluate(std::move(at));
    }
  }

  const std::function<double(const std::vector<double>&)>& function_;
  std::int64_t left_;
  std::vector<Minimum> points_;
  Minimum best_;
};

}  // namespace

Minimum minimize(const std::function<double(const std::vector<double>&)>& function,
                 const MinimizeOptions& options, Rng& rng) {
  Simplex simplex(function, options.evaluations);
  simplex.begin(options.start, options.step, rng);
  while (!simplex.spent()) {
    if (simplex.move()) continue;
    // Between a twentieth of the first size and all of it: far from the best and close to it.
    simplex.begin(simplex.best().at, options.step * (0.05 + 0.95 * rng.uniform()), rng);
  }
  return simplex.best();
}

}  // namespace tidegate::engine
