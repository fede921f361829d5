#pragma once
// `tidegate size`: how many replicas a steady load wants, by arithmetic (docs/sizing.md).
//
//   tidegate size --qps 12 --latency 8s --max-num-seqs 64 --kv-tokens 400000 --prompt 500 --output 500
//   tidegate size -f model.yaml --qps 12 --lengths azure.csv --price-per-mtok-in 0.5
//   tidegate size --profile reference --qps 12 --prompt 500 --output 500 --slo-ttft 1s
//
// With --latency Little's Law alone; with -f or --profile within the SLO (core/engine/size.h), a
// result for each variant. Flags win over the spec. Exit codes: 0 sized, 1 a file is at fault or no
// number of replicas keeps the SLO, 2 usage.

#include <cstdint>
#include <optional>
#include <string>

namespace tidegate::cli {

struct SizeFlags {
  std::optional<double> qps;                  // --qps X: requests a second (required), > 0
  std::string latency;                        // --latency DURATION: Little's Law alone
  std::string spec;                           // -f FILE
  std::string model;                          // --model NAME: where the spec has several
  std::string profile;                        // --profile NAME: without a spec
  std::optional<std::int64_t> max_num_seqs;   // --max-num-seqs N
  std::optional<double> kv_tokens;            // --kv-tokens N: with --latency
  std::optional<double> prompt, output;       // --prompt N --output N: tokens, mean
  std::string lengths;                        // --lengths TRACE: a request trace, instead
  std::optional<double> target_utilization;   // --target-utilization X in (0, 1]
  std::optional<double> cost_per_hour;        // --cost-per-hour X: dollars, one replica
  std::string slo_ttft, slo_itl;              // --slo-ttft, --slo-itl DURATION
  std::optional<double> price_in, price_out;  // --price-per-mtok-in/-out X: dollars
  std::string format = "table";               // --format table|json
};

int size(const SizeFlags& flags);

}  // namespace tidegate::cli
