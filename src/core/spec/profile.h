#pragma once
// Profile: how fast one replica steps and what it can hold (profiles/*.yaml, with provenance).
//
// Step time = c0 + c1*prefill_tokens + c2*decode_seqs + c3*sum(context) +
// c4*sum(prefill_tokens*context), all in integer femtoseconds so that a closed form over k steps
// equals walking them.

#include <cstdint>
#include <string>

namespace tidegate::spec {

struct Profile {
  std::string name = "reference";
  std::string provenance = "fixed, for tests and examples";
  std::int64_t c0_fs = 10'000'000'000'000;  ///< 10 ms a step: host overhead between steps included
  std::int64_t c1_fs = 25'000'000'000;      ///< 25 us a prefill token
  std::int64_t c2_fs = 100'000'000'000;     ///< 100 us a decoding sequence
  std::int64_t c3_fs = 120'000'000;         ///< 0.12 us a token of decoding context
  std::int64_t c4_fs = 200'000;             ///< 0.2 ns a (prefill token x context token)
  std::int64_t kv_tokens = 400'000;
  std::int64_t block_size = 16;
  std::int64_t max_model_len = 131'072;
  std::int64_t max_num_batched_tokens = 2'048;
  std::int64_t max_num_seqs = 256;
  std::int64_t data_parallel_size = 1;  ///< ranks measured together: the numbers above are of one
  /// The step after next is chosen while the next one runs (vLLM from 0.14 on): an arrival waits
  /// one whole step more, and what a finished request held is free one step later. Continuous
  /// batching only.
  std::uint8_t async_scheduling = 0;
  /// A request is admitted only where all it has to prefill fits, not its first chunk alone (vLLM's
  /// scheduler_reserve_full_isl, from 0.19 on).
  std::uint8_t reserve_full_prompt = 0;
  bool operator==(const Profile&) const = default;
};

}  // namespace tidegate::spec
