#include "core/plan/memory.h"

#include "core/policy/recent.h"

namespace tidegate::plan {

void set_target(VariantMemory& memory, std::int64_t replicas, Instant now) {
  std::vector<Sample>& events = memory.scale_events;
  std::size_t old = 0;
  while (old < events.size() && events[old].at < now - kLongestPeriod) ++old;
  events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(old));
  if (replicas == memory.target) return;
  events.push_back(Sample{now, static_cast<double>(replicas - memory.target)});
  if (events.size() > kMaxScaleEvents) {
    // The two oldest as one at the later time: a limit may then bind longer, never shorter.
    events[1].value += events[0].value;
    events.erase(events.begin());
  }
  memory.target = replicas;
}

void override_target(VariantMemory& memory, std::int64_t replicas, Instant now) {
  set_target(memory, replicas, now);
  policy::note(memory.highs, now, static_cast<double>(replicas), Duration::max());
  memory.lower_since = Instant::never();
}

void capacity_failed(VariantMemory& memory, std::int64_t limit, Instant retry_at) {
  memory.capacity_limit = limit;
  memory.capacity_failed_until = retry_at;
}

}  // namespace tidegate::plan
