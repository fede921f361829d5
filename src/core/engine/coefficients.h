#pragma once
// Coefficients: the five numbers of a profile's step law as a point a fit can move, and what is
// believed of them before anything was measured.
//
//   Coefficients x = Coefficients::typical(0.0001);  // a prefill token takes 100 us
//   x.apply(profile);
//
// Logarithms of femtoseconds: a fit moves by factors, and nothing gets below zero. Thread-safety: a
// value.

#include <cstddef>
#include <vector>

#include "core/engine/profile.h"

namespace tidegate::engine {

struct Coefficients {
  static constexpr std::size_t kCount = 5;
  std::vector<double> log_fs = std::vector<double>(kCount);  ///< c0 .. c4

  /// What accelerators have in common, for one whose prefill token takes so long: reading the
  /// weights and starting a step costs as much as some 170 prefill tokens (the ridge between
  /// compute and bandwidth), a decoding sequence a quarter of a prefill token beside its context,
  /// attention doubles a prefill token's cost at some 20,000 tokens of context.
  static Coefficients typical(double prefill_token_seconds);
  static Coefficients of(const Profile& profile);
  void apply(Profile& profile) const;

  /// How far the ratios are from typical ones: 0 at these, growing ever slower away from them, so
  /// that a run that shows otherwise is believed. It decides where a run says nothing, such as on
  /// small batches when it had none.
  double strangeness() const;
};

}  // namespace tidegate::engine
