// open_workload: a scenario's requests, from its trace or made by core/workload/generator.h.

#include <algorithm>
#include <filesystem>

#include "core/workload/generator.h"
#include "format/scenario.h"
#include "format/trace.h"

namespace tidegate::format {
namespace {

using workload::Scenario;

std::string below(const std::string& folder, const std::string& path) {
  return path.empty() ? path : (std::filesystem::path(folder) / path).string();
}

/// Where `duration` of the world ends in the trace's own time.
Duration end_of(const workload::TraceSource& trace, Duration duration) {
  if (duration <= Duration(0)) return trace.until;
  Duration span = seconds_f(to_seconds(duration) * trace.speedup);
  return span < Duration::max() - trace.from ? std::min(trace.until, trace.from + span)
                                             : trace.until;
}

Result<std::vector<workload::LengthPair>> read_lengths(const std::string& path) {
  auto trace = TraceReader::open(path, {});
  if (!trace) return fail(trace.error());
  if ((*trace)->kind() == TraceKind::kRate) {
    return fail("trace " + path + " is a rate series, it has no lengths");
  }
  std::vector<workload::LengthPair> out;
  for (workload::TraceRequest r; out.size() < kMaxLengthRows && (*trace)->next(r);) {
    out.push_back({r.prompt, r.output});
  }
  if (out.empty()) return fail("trace " + path + " has no good row");
  return out;
}

}  // namespace

Result<std::unique_ptr<workload::Stream>> open_workload(const Scenario& scenario,
                                                        const std::string& folder) {
  const auto seed = static_cast<std::uint64_t>(scenario.seed);
  if (scenario.trace) {
    const workload::TraceSource& t = *scenario.trace;
    TraceOptions options;
    options.scale = t.scale;
    options.speedup = t.speedup;
    options.from = t.from;
    options.until = end_of(t, scenario.duration);
    options.seed = seed;
    options.lengths = below(folder, t.lengths);
    auto reader = TraceReader::open(below(folder, t.path), options);
    if (!reader) return fail(reader.error());
    return std::unique_ptr<workload::Stream>(std::move(*reader));
  }
  workload::Workload made = scenario.made();
  for (workload::Part& part : made.parts) {
    if (part.lengths.trace.empty()) continue;
    auto pairs = read_lengths(below(folder, part.lengths.trace));
    if (!pairs) return fail(pairs.error().within("part " + part.name));
    part.lengths.empirical = std::move(*pairs);
  }
  return std::unique_ptr<workload::Stream>(
      std::make_unique<workload::Generator>(std::move(made), seed));
}

std::int64_t prefix_block_tokens(const Scenario& scenario) {
  if (scenario.trace) return kTracePrefixBlockTokens;
  for (const workload::Part& part : scenario.parts) {
    if (part.prefixes) return part.prefixes->block_tokens;  // validate(): the same in all
  }
  return workload::PrefixGroups{}.block_tokens;
}

}  // namespace tidegate::format
