#pragma once
// Transcendentals that give the same bits on every machine: libm's differ with and without FMA.
// Built from + - * / and sqrt only, in a fixed order; relative error below 4e-15 on the stated
// range.

namespace tidegate {

/// e^x for |x| <= 700; 0 below, +inf above.
double exp(double x);
/// Natural logarithm for x > 0; -inf at 0, NaN below.
double log(double x);
/// base^exponent for base > 0.
double pow(double base, double exponent);
/// sin and cos of 2*pi*turns: exact period, meant for |turns| < 1e9.
double sin_turns(double turns);
double cos_turns(double turns);
/// Quantile of the standard normal (Acklam's rational approximation, relative error below 1.2e-9),
/// 0 < p < 1.
double normal_quantile(double p);

}  // namespace tidegate
