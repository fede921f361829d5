#include "core/engine/engine.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/engine/rank.h"

namespace tidegate::engine {

__int128 step_femtos(const Profile& profile, std::int64_t prefill_tokens, std::int64_t decode_seqs,
                     std::int64_t decode_context_sum, __int128 prefill_times_context) {
  return __int128{profile.c0_fs} + __int128{profile.c1_fs} * prefill_tokens +
         __int128{profile.c2_fs} * decode_seqs + __int128{profile.c3_fs} * decode_context_sum +
         profile.c4_fs * prefill_times_context;
}

struct Engine::State {
  std::vector<Rank> ranks;
  std::vector<EngineEvent> told;  ///< visible, not yet handed out
  std::int64_t now = 0;

  void catch_up(Instant to) {
    now = std::max(now, to.nanos());
    for (Rank& rank : ranks) rank.catch_up(now, told);
  }
};

Engine::Engine(Options options) : state_(std::make_unique<State>()) {
  std::int64_t ranks =
      std::max<std::int64_t>({1, options.data_parallel_size, options.profile.data_parallel_size});
  for (std::int64_t i = 0; i < ranks; ++i) state_->ranks.emplace_back(options);
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::submit(const EngineRequest& request, Instant now) {
  state_->catch_up(now);
  std::vector<Rank>& ranks = state_->ranks;
  if (!ranks.front().fits(request)) {
    state_->told.push_back({EventKind::kRejected, request.id, Instant::from_nanos(state_->now)});
    return;
  }
  Rank* least = &ranks.front();
  for (Rank& rank : ranks) {
    TIDEGATE_CHECK(!rank.knows(request.id));
    if (rank.load() < least->load()) least = &rank;
  }
  least->submit(request, state_->now);
}

bool Engine::abort(RequestId id, Instant now) {
  state_->catch_up(now);
  return std::any_of(state_->ranks.begin(), state_->ranks.end(),
                     [id](Rank& rank) { return rank.abort(id); });
}

Instant Engine::next_event() const {
  std::int64_t next = Rank::kNever;
  for (const EngineEvent& event : state_->told) next = std::min(next, event.at.nanos());
  for (const Rank& rank : state_->ranks) next = std::min(next, rank.end());
  return Instant::from_nanos(next);
}

void Engine::advance(Instant now, std::vector<EngineEvent>& events) {
  state_->catch_up(now);
  std::vector<EngineEvent>& told = state_->told;
  std::sort(told.begin(), told.end(), [](const EngineEvent& a, const EngineEvent& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.id != b.id ? a.id < b.id : a.kind < b.kind;
  });
  events.insert(events.end(), told.begin(), told.end());
  told.clear();
}

std::int64_t Engine::generated(RequestId id) const {
  for (const Rank& rank : state_->ranks) {
    if (rank.knows(id)) return rank.generated(id);
  }
  return 0;
}

Stats Engine::stats() const {
  Stats stats;
  std::int64_t used = 0, total = 0;
  for (const Rank& rank : state_->ranks) {
    rank.add_to(stats);
    used += rank.blocks_used();
    total += rank.blocks_total();
    for (const AdapterCounts::Entry& entry : rank.adapters().entries()) {
      if (entry.running > 0) stats.running_adapters.push_back(entry.adapter);
      if (entry.waiting > 0) stats.waiting_adapters.push_back(entry.adapter);
    }
  }
  stats.kv_usage = static_cast<double>(used) / static_cast<double>(total);
  for (std::vector<std::int32_t>* adapters : {&stats.running_adapters, &stats.waiting_adapters}) {
    std::sort(adapters->begin(), adapters->end());
    adapters->erase(std::unique(adapters->begin(), adapters->end()), adapters->end());
  }
  return stats;
}

void Engine::reset_cache() {
  for (Rank& rank : state_->ranks) rank.forget_cache();
}

void Engine::set_step_factor(double factor) {
  for (Rank& rank : state_->ranks) rank.set_step_factor(factor);
}

}  // namespace tidegate::engine
