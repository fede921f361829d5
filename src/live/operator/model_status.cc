#include "live/operator/model_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "live/kube/time_text.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxMessage = 4'096;

struct Words {
  std::string reason, message;
};

bool acts(const ModelSight& sight) { return !sight.paused && sight.mode != spec::Mode::kObserve; }

/// Reasons that let fewer through than was wanted.
const Reason* limit_of(const std::vector<Reason>& reasons) {
  const Reason* found = nullptr;
  for (const Reason& reason : reasons) {
    const bool limits =
        reason.code == ReasonCode::kMaxReplicas || reason.code == ReasonCode::kQuota ||
        reason.code == ReasonCode::kCapacityFailed || reason.code == ReasonCode::kScaleUpRate ||
        reason.code == ReasonCode::kSchedule;
    if (limits && reason.after < reason.before) found = &reason;
  }
  return found;
}

std::string cut(std::string message) {
  if (message.size() <= kMaxMessage) return message;
  std::size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  message.resize(end);
  return message + "...";
}

struct Totals {
  std::int64_t ready = 0, desired = 0, ordered = 0, sleeping = 0;
  bool all_ready = true;
};

Totals totals_of(const ModelSight& sight) {
  Totals out;
  for (const VariantSight& v : sight.variants) {
    out.ready += v.ready;
    out.desired += v.desired;
    out.ordered += v.ordered;
    out.sleeping += v.sleeping;
    out.all_ready = out.all_ready && v.ready >= v.desired;
  }
  return out;
}

/// The one line of `kubectl get`: what is wrong first, then what binds.
Words story(const SpecSight& spec, const ModelSight* sight) {
  if (!spec.faults.empty()) return {"Invalid", spec.faults};
  if (sight == nullptr) return {};
  if (!sight->refused.empty()) {
    return {std::string(token(ReasonCode::kRefused)), sight->refused};
  }
  if (!sight->short_of.empty()) {
    return {std::string(token(ReasonCode::kCapacityFailed)), sight->short_of};
  }
  const Reason* why = binding_reason(sight->reasons);
  if (!acts(*sight)) {
    const ReasonCode code = sight->paused ? ReasonCode::kPaused : ReasonCode::kObserveMode;
    return {std::string(token(code)), std::string(sentence(code))};
  }
  if (why == nullptr) return {};
  return {std::string(token(why->code)), std::string(sentence(why->code))};
}

class Conditions {
 public:
  explicit Conditions(std::int64_t generation) : generation_(generation) {}
  void add(const char* type, const char* status, std::string_view reason, std::string message) {
    list_.push_back({{"type", type},
                     {"status", status},
                     {"observedGeneration", generation_},
                     {"reason", std::string(reason)},
                     {"message", cut(std::move(message))}});
  }
  json take() { return std::move(list_); }

 private:
  std::int64_t generation_;
  json list_ = json::array();
};

void add_ready(Conditions& out, const ModelSight& sight, const Totals& n) {
  std::string said = fmt::format("{} of {} ready", n.ready, n.desired);
  if (n.ordered > 0) said += fmt::format(", {} on the way", n.ordered);
  if (!acts(sight)) {
    const bool serves = n.ready > 0 || n.desired == 0;
    return out.add("Ready", serves ? "True" : "False", serves ? "Serving" : "NothingReady", said);
  }
  if (n.all_ready) return out.add("Ready", "True", "AsDesired", said);
  const bool failed = !sight.short_of.empty();
  out.add("Ready", "False",
          token(failed ? ReasonCode::kCapacityFailed : ReasonCode::kPendingCapacity),
          failed ? said + "; " + sight.short_of : said);
}

json conditions_of(const SpecSight& spec, const ModelSight* sight) {
  Conditions out(spec.generation);
  if (spec.faults.empty()) {
    out.add("SpecValid", "True", "Accepted",
            spec.warnings.empty() ? "" : "warning: " + spec.warnings);
  } else {
    out.add("SpecValid", "False", "Invalid", spec.faults);
  }
  if (sight == nullptr) {
    out.add("Ready", "False", "NotRunning", "");
    return out.take();
  }
  add_ready(out, *sight, totals_of(*sight));
  if (sight->refused.empty()) {
    out.add("Applied", "True", "Taken", "");
  } else {
    out.add("Applied", "False", token(ReasonCode::kRefused), sight->refused);
  }
  if (const Reason* limit = limit_of(sight->reasons); limit != nullptr) {
    std::string said = fmt::format("{}: {} wanted, {} let through", sentence(limit->code),
                                   limit->before, limit->after);
    if (limit->code == ReasonCode::kCapacityFailed && !sight->short_of.empty()) {
      said += "; " + sight->short_of;
    }
    out.add("Limited", "True", token(limit->code), said);
  } else {
    out.add("Limited", "False", "WithinBounds", "");
  }
  if (acts(*sight)) {
    out.add("Paused", "False", "Acting", "");
  } else {
    const ReasonCode code = sight->paused ? ReasonCode::kPaused : ReasonCode::kObserveMode;
    out.add("Paused", "True", token(code), std::string(sentence(code)));
  }
  return out.take();
}

json variants_of(const ModelSight& sight) {
  json out = json::array();
  for (const VariantSight& v : sight.variants) {
    json one = {{"name", v.name},
                {"readyReplicas", v.ready},
                {"desiredReplicas", v.desired},
                {"orderedReplicas", v.ordered},
                {"sleepingReplicas", v.sleeping}};
    if (!v.reason.empty()) one["reason"] = v.reason;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string short_duration(double seconds) {
  if (!(seconds > 0)) return "0s";
  if (seconds < 0.0995) return fmt::format("{:.0f}ms", std::max(1.0, seconds * 1e3));
  if (seconds < 0.995) return fmt::format("{:.0f}ms", std::round(seconds * 100) * 10);
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  return fmt::format("{:.0f}s", seconds);
}

json status_of(const SpecSight& spec, const ModelSight* sight) {
  json out = {{"observedGeneration", spec.generation}, {"conditions", conditions_of(spec, sight)}};
  const Words words = story(spec, sight);
  if (!words.reason.empty()) out["reason"] = words.reason;
  if (!words.message.empty()) out["message"] = cut(words.message);
  if (sight == nullptr) return out;
  const Totals n = totals_of(*sight);
  out["replicas"] = fmt::format("{}/{}", n.ready, n.desired);
  out["readyReplicas"] = n.ready;
  out["desiredReplicas"] = n.desired;
  out["orderedReplicas"] = n.ordered;
  out["sleepingReplicas"] = n.sleeping;
  if (sight->queue_requests) out["queueRequests"] = *sight->queue_requests;
  if (!sight->ttft_p99.empty()) out["ttftP99"] = sight->ttft_p99;
  out["mode"] = std::string(token(sight->mode));
  out["variants"] = variants_of(*sight);
  return out;
}

void add_transitions(json& status, const json& before, WallTime now) {
  const json old = before.is_object() ? before.value("conditions", json::array()) : json::array();
  for (json& condition : status["conditions"]) {
    std::string since = kube::format_time(now);
    for (const json& was : old) {
      if (!was.is_object() || was.value("type", "") != condition["type"]) continue;
      if (was.value("status", "") == condition["status"]) {
        since = was.value("lastTransitionTime", since);
      }
    }
    condition["lastTransitionTime"] = since;
  }
}

json without_transitions(json status) {
  if (!status.is_object() || !status.contains("conditions")) return status;
  for (json& condition : status["conditions"]) condition.erase("lastTransitionTime");
  return status;
}

}  // namespace tidegate::live
