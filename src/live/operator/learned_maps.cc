#include "live/operator/learned_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/ascii.h"
#include "live/kube/json_parts.h"
#include "live/kube/time_text.h"
#include "live/net/clock.h"
#include "live/net/log.h"
#include "live/operator/learned_text.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

constexpr std::size_t kMostName = 200;  ///< of a model, in its map's name (DNS: 253)

/// FNV-1a: the same in every process, for names and for when a model's turn is.
std::uint32_t mixed(const std::string& text) {
  std::uint32_t out = 2'166'136'261U;
  for (const char c : text) out = (out ^ static_cast<unsigned char>(c)) * 16'777'619U;
  return out;
}

}  // namespace

std::string LearnedMaps::name_of(const Place& place) {
  const std::string& wanted = place.owner.empty() ? place.model : place.owner;
  std::string out;
  for (const char c : wanted.substr(0, kMostName)) {
    const bool plain = ascii::is_lower_or_digit(c) || c == '-' || c == '.';
    out += plain ? c : '-';
  }
  if (out != wanted || out.back() == '-' || out.back() == '.') {
    out += fmt::format("-{:08x}", mixed(wanted));
  }
  return "tidegate-learned-" + out;
}

LearnedMaps::LearnedMaps(std::shared_ptr<kube::KubeClient> client, std::string identity,
                         LearnedMapsHooks hooks, LearnedMapsOptions options)
    : client_(std::move(client)),
      identity_(std::move(identity)),
      hooks_(std::move(hooks)),
      options_(options) {}

void LearnedMaps::lead(bool leading) {
  leading_ = leading;
  entries_.clear();  // a new term reads what the one before has left
  alive_ = std::make_shared<int>(0);
  in_flight_ = 0;
}

void LearnedMaps::look(const std::vector<Place>& places, Instant now) {
  if (!leading_ || handed_over_) return;
  std::set<std::string> there;
  for (const Place& place : places) {
    there.insert(place.model);
    auto [it, fresh] = entries_.try_emplace(place.model);
    it->second.place.starts = place.starts;
    if (fresh || it->second.place.owner_uid != place.owner_uid) {
      const bool in_flight = it->second.in_flight;
      it->second = {};
      it->second.place = place;
      it->second.in_flight = in_flight;  // its answer is of another Model, and reads again
    }
  }
  std::erase_if(entries_, [&](const auto& entry) { return !there.contains(entry.first); });
  go_on(now);
}

void LearnedMaps::go_on(Instant now) {
  for (auto& [model, entry] : entries_) {
    if (in_flight_ >= kMaxInFlight) return;
    if (entry.in_flight || !due(entry, now)) continue;
    if (entry.phase == Phase::kUnread) read(entry);
    if (entry.phase == Phase::kRead && !entry.in_flight) write(entry);
  }
}

bool LearnedMaps::due(const Entry& entry, Instant now) const {
  const bool measured = entry.phase == Phase::kRead && entry.place.starts != entry.starts_kept;
  return now >= entry.next || (measured && now >= entry.soonest);
}

void LearnedMaps::call(Entry& entry, kube::ApiCall call,
                       std::function<void(Entry&, const kube::ApiResult<json>&)> then) {
  entry.in_flight = true;
  ++in_flight_;
  client_->call(std::move(call), [this, model = entry.place.model, uid = entry.place.owner_uid,
                                  then = std::move(then), alive = std::weak_ptr(alive_)](
                                     const kube::ApiResult<json>& answer) {
    if (alive.expired()) return;
    --in_flight_;
    if (auto it = entries_.find(model); it != entries_.end()) {
      it->second.in_flight = false;
      if (answer) outage_.reset();
      if (it->second.place.owner_uid == uid) then(it->second, answer);
    }
    if (handed_over_) return step_hand_over();
    go_on(client_->loop().now());  // a thousand models do not wait for as many looks
  });
}

void LearnedMaps::read(Entry& entry) {
  call(entry, kube::get({"v1", "configmaps", entry.place.ns}, name_of(entry.place)),
       [this](Entry& of, const kube::ApiResult<json>& answer) {
         if (!answer && answer.error().code != 404) return failed(of, answer.error());
         of.phase = Phase::kRead;
         // Each model has its own moment of the period: they do not all write at once.
         const double share = mixed(of.place.model) / 4'294'967'296.0;
         of.next =
             client_->loop().now() + Duration(static_cast<std::int64_t>(
                                         share * static_cast<double>(options_.period.count())));
         of.version.clear();
         if (answer) found(of, *answer);
         of.taught = true;
       });
}

void LearnedMaps::found(Entry& entry, const json& map) {
  entry.version = kube::text(map, "metadata", "resourceVersion");
  if (kube::text(map, "metadata", "labels", kManagedBy) != "tidegate") {
    entry.phase = Phase::kLeft;
    return tell(entry, fmt::format("is not Tidegate's (no label {}=tidegate): it is left as it is, "
                                   "and nothing is kept; delete or rename it",
                                   kManagedBy));
  }
  if (std::string version = kube::text(map, "data", "version"); version != kVersion) {
    entry.phase = Phase::kLeft;
    return tell(entry, "has version \"" + version.substr(0, 20) + "\", and this Tidegate knows " +
                           kVersion + ": it is left as it is; delete it to begin anew");
  }
  entry.text = kube::text(map, "data", "learned");
  const std::string by = kube::text(map, "data", "writtenBy");
  if (entry.taught || by == identity_) return;
  auto learned = learned_of(entry.text);
  if (!learned) {
    return tell(entry, "cannot be read, and is written anew: " + learned.error().message);
  }
  net::log(
      net::Level::kInfo, "going on from what was learned before",
      {{"model", entry.place.model}, {"by", by}, {"at", kube::text(map, "data", "writtenAt")}});
  hooks_.taught(entry.place.model, *learned);
}

void LearnedMaps::write(Entry& entry) {
  const Instant now = client_->loop().now();
  entry.next = now + options_.period;
  entry.soonest = now + options_.soon;
  entry.starts_kept = entry.place.starts;
  auto text = learned_text(hooks_.learned(entry.place.model));
  if (!text) return tell(entry, text.error().message);
  if (text->empty() || *text == entry.text) return;
  json meta = {{"name", name_of(entry.place)},
               {"namespace", entry.place.ns},
               {"labels", {{kManagedBy, "tidegate"}}}};
  if (!entry.version.empty()) meta["resourceVersion"] = entry.version;
  if (!entry.place.owner.empty()) {
    meta["ownerReferences"] = json::array({{{"apiVersion", "tidegate.dev/v1alpha1"},
                                            {"kind", "Model"},
                                            {"name", entry.place.owner},
                                            {"uid", entry.place.owner_uid}}});
  }
  const json map = {{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", meta},
                    {"data",
                     {{"version", kVersion},
                      {"model", entry.place.model},
                      {"writtenBy", identity_},
                      {"writtenAt", kube::format_time(net::WorldClock::wall_now())},
                      {"learned", *text}}}};
  ++writes_;
  call(entry,
       kube::patch({"v1", "configmaps", entry.place.ns}, name_of(entry.place),
                   kube::PatchType::kApply, map, "", "tidegate", "true"),
       [this, text = *text](Entry& of, const kube::ApiResult<json>& answer) {
         if (!answer) return failed(of, answer.error());
         of.version = kube::text(*answer, "metadata", "resourceVersion");
         of.text = text;
         of.told.clear();
       });
}

void LearnedMaps::failed(Entry& entry, const kube::ApiError& error) {
  entry.next = client_->loop().now() + options_.retry;
  entry.phase = Phase::kUnread;  // somebody else may have written
  // A server that is gone fails all models alike, in words that name each.
  const kube::Resource maps{"v1", "configmaps", entry.place.ns};
  if (!error.of_server() || client_->outages().join(outage_, "learned", error, maps)) {
    tell(entry, error.message);
  }
}

void LearnedMaps::tell(Entry& entry, const std::string& trouble) {
  if (std::exchange(entry.told, trouble) == trouble) return;
  net::log(net::Level::kWarn, "what was learned is not carried over",
           {{"model", entry.place.model},
            {"configMap", entry.place.ns + "/" + name_of(entry.place)},
            {"error", trouble}});
}

void LearnedMaps::hand_over(std::function<void()> done) {
  if (!leading_ || handed_over_) return client_->loop().defer(std::move(done));
  handed_over_ = std::move(done);
  for (const auto& [model, entry] : entries_) {
    if (entry.phase == Phase::kRead) left_.insert(model);
  }
  client_->loop().after(options_.patience, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || !handed_over_) return;
    left_.clear();
    in_flight_ = 0;
    step_hand_over();
  });
  client_->loop().defer([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) step_hand_over();
  });
}

void LearnedMaps::step_hand_over() {
  for (auto model = left_.begin(); model != left_.end() && in_flight_ < kMaxInFlight;) {
    auto found = entries_.find(*model);
    if (found != entries_.end() && found->second.in_flight) {
      ++model;  // what it answers comes first
      continue;
    }
    model = left_.erase(model);
    if (found != entries_.end() && found->second.phase == Phase::kRead) write(found->second);
  }
  if (!left_.empty() || in_flight_ > 0 || !handed_over_) return;
  std::exchange(handed_over_, nullptr)();
}

}  // namespace tidegate::live
