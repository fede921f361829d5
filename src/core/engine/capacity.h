#pragma once
// Capacity of one replica: what it sustains at a mean length of prompt and output, by arithmetic.
//
//   Capacity c = capacity(profile, limits, {.prompt_tokens = 500, .output_tokens = 500});
//   c.requests_per_second;  // 7.8 for the reference profile
//
// In steady state with n sequences each step decodes n tokens and prefills n * prompt / output: the
// step's law gives its time, and n / (output * time) requests end per second. n is the least of the
// limits, the one that binds is named. Means only: no variance, so the edge of a knee, not of an
// SLO's percentile. Thread-safety: a function.

#include <cstdint>
#include <string_view>

#include "core/base/fields.h"
#include "core/engine/engine.h"

namespace tidegate::engine {

enum class Binding : std::uint8_t { kSequences, kKv, kBatchedTokens, kItl };

struct Lengths {
  double prompt_tokens = 0;  ///< net of prefix hits, >= 1 counts
  double output_tokens = 0;  ///< >= 1 counts
};

struct CapacityLimits {
  std::int64_t max_num_seqs = 256;
  std::int64_t max_num_batched_tokens = 2'048;
  std::int64_t data_parallel_size = 1;
  Duration itl{0};  ///< the step may take no longer; zero: no bound
  double step_factor = 1;
};

struct Capacity {
  double requests_per_second = 0;  ///< of all ranks
  double sequences = 0;            ///< of all ranks, mean
  double step_seconds = 0;         ///< = ITL
  Binding binding = Binding::kSequences;
};

Capacity capacity(const Profile& profile, const CapacityLimits& limits, const Lengths& lengths);

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::Binding> {
  static constexpr std::string_view kTokens[] = {"sequences", "kv", "batchedTokens", "itl"};
};
}  // namespace tidegate
