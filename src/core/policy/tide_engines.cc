#include "core/policy/tide_engines.h"

#include <algorithm>

#include "core/policy/mix.h"

namespace tidegate::policy {

namespace {
/// Rates are means of half to all of so long (signal::MeterOptions): no end is seen later.
constexpr double kRatesLookBack = 10;

/// Of one variant, a second or now.
constexpr double kMostTold = 1e10;

/// Every replica is heard, and it is no nonsense.
bool sound(const signal::Signal& s) { return s.complete() && s.value >= 0 && s.value <= kMostTold; }

/// Over the variants that serve.
struct Engines {
  double running = 0, prompt = 0, output = 0, finished = 0, held = 0;
  bool any = false, heard = true, count_ends = true, tell_kv = true;
};

Engines read(const Input& in) {
  Engines out;
  for (std::size_t i = 0; i < in.model.variants.size(); ++i) {
    const signal::VariantObservation* v = seen_of(in.model, in.seen, i);
    if (v == nullptr || v->fleet.ready.value() == 0) continue;
    const auto ranks = static_cast<double>(
        v->fleet.ready.value() *
        std::max<std::int64_t>(1, in.model.variants[i].engine.data_parallel_size));
    out.any = true;
    out.heard = out.heard && sound(v->running_requests) && sound(v->prompt_tokens_per_second) &&
                sound(v->output_tokens_per_second);
    out.count_ends = out.count_ends && sound(v->finished_requests_per_second);
    out.tell_kv = out.tell_kv && sound(v->kv_usage) && v->kv_usage.value <= 1;
    out.running += v->running_requests.value;
    out.prompt += v->prompt_tokens_per_second.value;
    out.output += v->output_tokens_per_second.value;
    out.finished += v->finished_requests_per_second.value;
    out.held +=
        v->kv_usage.value * ranks * static_cast<double>(in.model.variants[i].profile.kv_tokens);
  }
  return out;
}

double waiting(const Input& in) {
  const signal::Signal s = signal::waiting_requests(in.seen);
  return s.absent() ? 0 : std::clamp(s.value, 0.0, kMostTold);
}

/// Those that an end is seen of, and that came before.
double there(const Input& in, const Engines& e) {
  return waiting(in) + (e.count_ends ? e.running : 0);
}

/// Requests that end a second.
double ends(const Engines& e) {
  if (e.count_ends) return e.finished;
  if (!(e.output > 0) || !(e.running > 0) || !(e.held > 0)) return 0;
  const double ratio = e.prompt / e.output;
  return e.output / std::max(1.0, e.held / e.running / (ratio + 0.5));
}

bool same_replicas(const Input& in, const TideState& s) {
  for (std::size_t i = 0; i < std::min(in.model.variants.size(), s.variants.size()); ++i) {
    if (fleet_of(in.model, in.seen, i).ready.value() != s.variants[i].ready) return false;
  }
  return true;
}
}  // namespace

bool engines_known(const Input& in) {
  if (!in.model.front.queue_metrics.empty() && !in.seen.front_waiting_requests.complete()) {
    return false;
  }
  const Engines e = read(in);
  return e.any && e.heard && (e.count_ends || e.tell_kv);
}

std::vector<Evidence> what_is_heard(const Input& in) {
  if (in.model.front.by == spec::Front::kGateway && !in.seen.gateway.absent()) {
    return {{"gateway_coverage", in.seen.gateway.coverage}};
  }
  std::vector<Evidence> out;
  if (!in.model.front.queue_metrics.empty()) {
    out.push_back({"front_queue_coverage", in.seen.front_waiting_requests.coverage});
  }
  using V = signal::VariantObservation;
  for (const auto& [name, member] :
       {std::pair(Label("running_requests_coverage"), &V::running_requests),
        std::pair(Label("prompt_tokens_coverage"), &V::prompt_tokens_per_second),
        std::pair(Label("output_tokens_coverage"), &V::output_tokens_per_second),
        std::pair(Label("finished_requests_coverage"), &V::finished_requests_per_second),
        std::pair(Label("kv_usage_coverage"), &V::kv_usage)}) {
    double least = 1;
    for (const signal::VariantObservation& v : in.seen.variants) {
      if (v.fleet.ready.value() == 0) continue;
      least = std::min(least, (v.*member).complete() ? 1 : std::min((v.*member).coverage, 0.99));
    }
    out.push_back({name, least});
  }
  return out;
}

void begin_with_engines(const Input& in, TideState& s) {
  s.engines_hold = there(in, read(in));
  s.engines_owe = 0;
}

Arrived from_engines(const Input& in, double elapsed, TideState& s) {
  const Engines e = read(in);
  if (!same_replicas(in, s)) begin_with_engines(in, s);
  const double rate = ends(e), finished = rate * elapsed, now = there(in, e);
  const double came = finished + now - s.engines_hold - s.engines_owe;
  s.engines_hold = now;
  s.engines_owe = std::clamp(-came, 0.0, rate * kRatesLookBack + 1);
  return {.requests = std::max(0.0, came),
          .prompt_tokens = e.prompt * elapsed,
          .output_tokens = e.output * elapsed,
          .counted = finished};
}

}  // namespace tidegate::policy
