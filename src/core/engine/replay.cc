#include "core/engine/replay.h"

#include <algorithm>

#include "core/base/check.h"

namespace tidegate::engine {
namespace {

Figures figures_of(std::vector<double> values) {
  Figures out;
  out.count = static_cast<std::int64_t>(values.size());
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  for (double v : values) out.values[0] += v / static_cast<double>(values.size());
  constexpr double kShares[] = {0.5, 0.95, 0.99};
  for (std::size_t i = 0; i < 3; ++i) {
    double rank = kShares[i] * static_cast<double>(values.size() - 1);
    auto below = static_cast<std::size_t>(rank);
    std::size_t above = std::min(below + 1, values.size() - 1);
    double part = rank - static_cast<double>(below);
    out.values[i + 1] = values[below] + part * (values[above] - values[below]);
  }
  return out;
}

}  // namespace

Replayed replay(const RunRequests& run, const Options& options,
                const std::vector<Duration>& sample_at, const WarmUp& warm_up) {
  Replayed out;
  out.requests = run;
  for (RunRequest& request : out.requests) request.finished = 0;
  Options cold = options;
  if (warm_up.steps > 0) cold.step_factor *= warm_up.factor;
  Engine engine(cold);
  std::vector<EngineEvent> events;
  bool warm = warm_up.steps == 0;
  // The factor of the step in progress is fixed: it is set back while the last slow one runs.
  auto warm_until = [&](Duration until) {
    while (!warm && engine.stats().steps_total + 1 < warm_up.steps &&
           engine.next_event() <= Instant{} + until) {
      engine.advance(engine.next_event(), events);
    }
    if (warm || engine.next_event().is_never()) return;
    if (engine.stats().steps_total + 1 < warm_up.steps) return;
    engine.set_step_factor(options.step_factor);
    warm = true;
  };
  std::size_t sampled = 0;
  auto sample_until = [&](Duration until) {
    for (; sampled < sample_at.size() && sample_at[sampled] <= until; ++sampled) {
      engine.advance(Instant{} + sample_at[sampled], events);
      Stats stats = engine.stats();
      out.samples.push_back({sample_at[sampled], static_cast<double>(stats.running),
                             static_cast<double>(stats.waiting), stats.kv_usage});
      out.peak_kv_usage = std::max(out.peak_kv_usage, stats.kv_usage);
    }
  };
  for (std::size_t i = 0; i < run.size(); ++i) {
    warm_until(run[i].arrival);
    sample_until(run[i].arrival);
    EngineRequest request;
    request.id = RequestId(i + 1);
    request.prompt = Tokens(run[i].prompt);
    request.output = Tokens(run[i].output);
    engine.submit(request, Instant{} + run[i].arrival);
  }
  warm_until(Duration::max());
  sample_until(Duration::max());
  while (!engine.next_event().is_never()) engine.advance(engine.next_event(), events);
  for (const EngineEvent& event : events) {
    RunRequest& request = out.requests[event.id.value() - 1];
    const Duration at = event.at - Instant{};
    switch (event.kind) {
      case EventKind::kScheduled:
        request.queued = event.queued - Instant{};
        request.chosen = event.chosen - Instant{};
        break;
      case EventKind::kFirstToken:
        request.first = at;
        break;
      case EventKind::kFinished:
        request.last = at;
        request.finished = 1;
        break;
      case EventKind::kRejected:
        break;
    }
  }
  out.preemptions = engine.stats().preemptions_total;
  return out;
}

double latency_seconds(const RunRequest& r, Latency which) {
  if (r.finished == 0) return -1;
  switch (which) {
    case Latency::kTtft:
      return to_seconds(r.first - r.queued);
    case Latency::kTpot:
      return r.output < 2 ? -1 : to_seconds(r.last - r.first) / static_cast<double>(r.output - 1);
    case Latency::kE2e:
      return to_seconds(r.last - r.queued);
  }
  return -1;
}

double Comparison::error(std::size_t figure) const {
  const double real = measured.values[figure], model = predicted.values[figure];
  return real == model ? 0 : model / real - 1;
}

std::array<Comparison, 3> compare(const RunRequests& measured, const RunRequests& predicted) {
  TIDEGATE_CHECK(measured.size() == predicted.size());
  std::array<Comparison, 3> out;
  for (std::size_t which = 0; which < out.size(); ++which) {
    std::vector<double> real, model;
    for (std::size_t i = 0; i < measured.size(); ++i) {
      double a = latency_seconds(measured[i], static_cast<Latency>(which));
      double b = latency_seconds(predicted[i], static_cast<Latency>(which));
      if (a < 0 || b < 0) continue;
      real.push_back(a);
      model.push_back(b);
    }
    out[which] = {figures_of(std::move(real)), figures_of(std::move(model))};
  }
  return out;
}

}  // namespace tidegate::engine
