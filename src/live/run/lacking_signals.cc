#include "live/run/lacking_signals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "core/signal/plausible.h"

namespace tidegate::live {
namespace {

struct Row {
  std::string_view name;
  const signal::Signal& signal;
};

bool known(const Row& row) { return !row.signal.absent(); }

std::array<Row, 3> gauges(const signal::VariantObservation& v) {
  return {{{"running_requests", v.running_requests},
           {"waiting_requests", v.engine_waiting_requests},
           {"kv_usage", v.kv_usage}}};
}

}  // namespace

std::vector<std::string_view> lacking_signals(const signal::VariantObservation& v) {
  std::vector<std::string_view> out;
  if (v.fleet.ready.value() == 0) return out;
  auto note = [&out](const auto& rows) {
    for (const Row& row : rows) {
      if (!known(row)) out.push_back(row.name);
    }
  };
  note(gauges(v));
  const Row rates[] = {{"preemptions", v.preemptions_per_second},
                       {"prompt_tokens", v.prompt_tokens_per_second},
                       {"output_tokens", v.output_tokens_per_second},
                       {"finished_requests", v.finished_requests_per_second}};
  if (std::any_of(std::begin(rates), std::end(rates), known)) note(rates);
  return out;
}

bool unread(const signal::VariantObservation& v) {
  const auto rows = gauges(v);
  return v.fleet.ready.value() > 0 && std::none_of(rows.begin(), rows.end(), known);
}

std::string not_believed(const signal::ReplicaSignals& page) {
  if (!page.doubt) return {};
  const bool rate = signal::shape_of(page.doubt->id) == signal::Shape::kCounter;
  return fmt::format("{} {} {:g}{}, not {}", token(page.doubt->id), rate ? "grows by" : "is",
                     page.doubt->value, rate ? " a second" : "",
                     signal::plausible_range(page.doubt->id));
}

std::string_view metrics_hint(spec::EngineType engine) {
  switch (engine) {
    case spec::EngineType::kVllm:
      return "GET /metrics: vLLM serves it unless it runs with --disable-log-stats";
    case spec::EngineType::kSglang:
      return "GET /metrics: start SGLang with --enable-metrics";
    case spec::EngineType::kTgi:
      return "GET /metrics: TGI serves it on the port of its API";
    case spec::EngineType::kTrtllm:
      return "GET /prometheus/metrics: set return_perf_metrics and enable_iter_perf_stats in "
             "trtllm-serve's options";
    case spec::EngineType::kTriton:
      return "GET /metrics: Triton serves it on a port of its own, 8002 by default; its OpenAI "
             "frontend on its own port";
    case spec::EngineType::kLlamaCpp:
      return "GET /metrics: start llama-server with --metrics";
    case spec::EngineType::kDynamo:
      return "GET /metrics: Dynamo's frontend serves it on its own port";
  }
  return {};
}

}  // namespace tidegate::live
