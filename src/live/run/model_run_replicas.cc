// The part of ModelRun that hears of replicas and tells gateway, scraper and ledger.
#include <fmt/format.h>

#include <algorithm>

#include "core/route/options.h"
#include "core/signal/aggregate.h"
#include "live/net/log.h"
#include "live/run/model_run.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using net::Level;

constexpr std::size_t kMaxNotes = 20;

}  // namespace

void ModelRun::replica_changed(const ReplicaInfo& info) {
  const Instant now = parts_.clock.now();
  ledger_.replica(info, now);
  net::log(info.state == ReplicaState::kFailed ? Level::kWarn : Level::kInfo,
           fmt::format("replica {}", token(info.state)),
           {{"model", name()},
            {"variant", info.variant},
            {"replica", std::to_string(info.id.value())},
            {"address", info.address.port == 0 ? "" : info.address.text()},
            {"adopted", info.adopted ? "yes" : "no"},
            {"detail", info.detail}});
  to_gateway(info);
  if (info.state == ReplicaState::kFailed) {
    notes_.push_front({info, now});
    if (notes_.size() > kMaxNotes) notes_.pop_back();
  }
  if (info.state == ReplicaState::kGone) {
    replicas_.erase(info.id);
    kv_tokens_.erase(info.id);
  } else {
    replicas_[info.id] = info;
  }
  feed(control::ReplicaChanged{.id = info.id,
                               .variant = info.variant,
                               .state = info.state,
                               .stages = info.stages,
                               .adopted = static_cast<std::uint8_t>(info.adopted ? 1 : 0)});
  // How long it took outlives us, however we end.
  if (info.state == ReplicaState::kReady && info.stages.total >= Duration(0)) remember_start();
}

void ModelRun::tell_room(const ReplicaInfo& info) {
  const int index = variant_index(info.variant), in_spec = spec_index(info.variant);
  if (index < 0 || in_spec < 0) return;  // its variant has left the spec: it is stopped
  const auto variant = static_cast<std::size_t>(in_spec);
  route::EngineSize size = route::profile_size(loaded_.model.variants[variant]);
  if (auto reported = kv_tokens_.find(info.id); reported != kv_tokens_.end()) {
    size.kv_tokens = reported->second;
  }
  parts_.gateway.replica_up(name(), route::replica_up(loaded_.model, variant, info.id, size),
                            info.address);
}

void ModelRun::scraped(ReplicaId id, const signal::ReplicaSignals& page) {
  parts_.gateway.scraped(name(), id, page);
  tell_kv(id, page);
}

void ModelRun::tell_kv(ReplicaId id, const signal::ReplicaSignals& page) {
  // What the engine says it can hold wins over the profile.
  const std::optional<double> kv = signal::kv_capacity_tokens(page);
  auto replica = replicas_.find(id);
  if (!kv || replica == replicas_.end() || replica->second.state != ReplicaState::kReady) return;
  std::int64_t& known = kv_tokens_[id];
  if (known == static_cast<std::int64_t>(*kv)) return;
  known = static_cast<std::int64_t>(*kv);
  tell_room(replica->second);
}

void ModelRun::to_gateway(const ReplicaInfo& info) {
  switch (info.state) {
    case ReplicaState::kReady: {
      const int index = variant_index(info.variant);
      if (index < 0) return;
      const VariantRun& variant = variants_[static_cast<std::size_t>(index)];
      tell_room(info);
      senses_.add(info, variant.spec);
      break;
    }
    case ReplicaState::kDraining:
      parts_.gateway.replica_draining(name(), info.id);
      break;
    case ReplicaState::kSleeping:  // drained, and its prefix cache is lost
    case ReplicaState::kGone:
    case ReplicaState::kFailed:
      parts_.gateway.replica_down(name(), info.id);
      senses_.remove(info.id);
      break;
    case ReplicaState::kOrdered:
    case ReplicaState::kStarting:
      break;
  }
}

std::optional<Replicas> ModelRun::running(const std::string& variant) const {
  const int index = variant_index(variant);
  if (index < 0 || !variants_[static_cast<std::size_t>(index)].actuator->in_step()) return {};
  return Replicas(std::count_if(replicas_.begin(), replicas_.end(), [&](const auto& entry) {
    return entry.second.variant == variant && entry.second.state != ReplicaState::kDraining;
  }));
}

std::optional<Replicas> ModelRun::applied(const std::string& variant) const {
  auto found = applied_.find(variant);
  if (found == applied_.end()) return {};
  return found->second.replicas + found->second.asleep;
}

std::string ModelRun::refused() const {
  for (const auto& [variant, words] : target_words_) {
    if (!words.refused.empty() && spec_index(variant) >= 0) return variant + ": " + words.refused;
  }
  return "";
}

std::string ModelRun::short_of(Instant now) const {
  for (const auto& [variant, words] : target_words_) {
    const bool still = now < words.short_until && spec_index(variant) >= 0;
    if (still && !words.short_of.empty()) return variant + ": " + words.short_of;
  }
  return "";
}

bool ModelRun::settled() const {
  for (const auto& variant : variants_) {
    const auto ready = std::count_if(replicas_.begin(), replicas_.end(), [&](const auto& entry) {
      const ReplicaInfo& info = entry.second;
      return info.variant == variant.spec.name && info.state == ReplicaState::kReady;
    });
    auto wanted = applied_.find(variant.spec.name);
    if (wanted == applied_.end() || ready < wanted->second.replicas.value()) return false;
  }
  return true;
}

}  // namespace tidegate::live
