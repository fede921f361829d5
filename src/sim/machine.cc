#include "sim/machine.h"

#include "core/signal/dialect.h"

namespace tidegate::sim {

using signal::SignalId;

PageWriter::PageWriter() : page_(signal::dialect(signal::DialectId::kVllm)) {
  const auto& rows = page_.dialect().rows;
  rows_.resize(signal::kSignalCount);
  for (std::size_t i = rows.size(); i-- > 0;) {
    rows_[signal::index_of(rows[i].signal)] = static_cast<std::uint16_t>(i);
  }
}

void PageWriter::add(SignalId id, double value) {
  page_.add({.row = rows_[signal::index_of(id)], .value = value});
}

const signal::Page& PageWriter::write(const engine::Stats& stats) {
  page_.clear();
  add(SignalId::kRunningRequests, static_cast<double>(stats.running));
  add(SignalId::kWaitingRequests, static_cast<double>(stats.waiting));
  add(SignalId::kKvUsage, stats.kv_usage);
  add(SignalId::kPreemptions, static_cast<double>(stats.preemptions_total));
  add(SignalId::kPromptTokens, static_cast<double>(stats.prompt_tokens_total));
  add(SignalId::kOutputTokens, static_cast<double>(stats.generation_tokens_total));
  add(SignalId::kFinishedRequests, static_cast<double>(stats.finished_total));
  add(SignalId::kPrefixQueryTokens, static_cast<double>(stats.prefix_queries_tokens_total));
  add(SignalId::kPrefixHitTokens, static_cast<double>(stats.prefix_hits_tokens_total));
  return page_;
}

engine::Options engine_options(const spec::Variant& variant, std::int64_t prefix_block_tokens) {
  const spec::Profile& profile = variant.profile;
  engine::Options options;
  options.profile = profile;
  options.max_num_seqs = variant.engine.max_num_seqs.value_or(profile.max_num_seqs);
  options.max_num_batched_tokens =
      variant.engine.max_num_batched_tokens.value_or(profile.max_num_batched_tokens);
  options.data_parallel_size = variant.engine.data_parallel_size;
  options.prefix_block_tokens = prefix_block_tokens;
  options.batching = variant.engine.batching;
  options.step_factor = variant.hardware.interference;
  return options;
}

}  // namespace tidegate::sim
