#pragma once
// Capacity of one replica: what it sustains at a mean length of prompt and output, by arithmetic.
//
//   Capacity c = capacity(profile, limits, {.prompt_tokens = 500, .output_tokens = 500});
//   c.requests_per_second;  // 7.8 for the reference profile
//
// In steady state with n sequences each step decodes n tokens and prefills n * prompt / output: the
// step's law gives its time, and n / (output * time) requests end per second. n is the least of the
// limits, the one that binds is named. capacity_of() does the same for a whole distribution: long
// answers hold their KV longer, so the mean over requests is not the mean over the batch. No queue
// and no percentile: the edge of a knee (core/engine/size.h has both). Thread-safety: functions.

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

/// What the step's law needs of a distribution of lengths.
struct LengthMoments {
  double prompt = 0;          ///< mean
  double output = 0;          ///< mean
  double prompt_squared = 0;  ///< mean of prompt^2: a prompt attends to itself
  double prompt_output = 0;   ///< mean of prompt * output: held once a step of its answer
  double output_squared = 0;  ///< mean of output^2
  static LengthMoments of(const Lengths& all_alike);
};

/// KV tokens of a sequence, mean over the batch.
double held_tokens(const LengthMoments& lengths);

/// In steady state a step with n sequences takes fixed + each * n.
struct StepLaw {
  double fixed_seconds = 0;
  double each_seconds = 0;
  double held_tokens = 0;       ///< KV tokens of a sequence, mean over the batch
  double prefilled_tokens = 0;  ///< prompt tokens a step, for each sequence
};
StepLaw step_law(const Profile& profile, double step_factor, const LengthMoments& lengths);

struct CapacityLimits {
  std::int64_t max_num_seqs = 256;
  std::int64_t max_num_batched_tokens = 2'048;
  std::int64_t data_parallel_size = 1;
  Duration itl{0};  ///< the step may take no longer; zero: no bound
  double step_factor = 1;
};

/// What holds a replica of `variant` back: its engine, concurrencyTarget and the ITL bound.
CapacityLimits limits_of(const spec::Model& model, const spec::Variant& variant);

struct Capacity {
  double requests_per_second = 0;  ///< of all ranks
  double sequences = 0;            ///< of all ranks, mean
  double step_seconds = 0;         ///< = ITL
  Binding binding = Binding::kSequences;
};

Capacity capacity(const Profile& profile, const CapacityLimits& limits, const Lengths& lengths);
Capacity capacity_of(const Profile& profile, const CapacityLimits& limits,
                     const LengthMoments& lengths);

}  // namespace tidegate::engine

namespace tidegate {
template <>
struct EnumTokens<engine::Binding> {
  static constexpr std::string_view kTokens[] = {"sequences", "kv", "batchedTokens", "itl"};
};
}  // namespace tidegate
