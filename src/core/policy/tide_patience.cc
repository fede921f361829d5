#include "core/policy/tide_patience.h"

#include <algorithm>

namespace tidegate::policy {

namespace {
constexpr Duration kMostPatience = seconds(3'600);
constexpr int kSoonLeads = 4;

/// Wanted again within this is wanted again soon.
Duration soon(Duration lead, const TidePatience& p) {
  return std::max(p.patience, lead * kSoonLeads);
}

void notice_change(Instant now, Duration lead, std::int64_t active, TidePatience& p) {
  if (active < p.active && p.asked < p.active) {  // a replica lost is not let go
    const bool goes_on = now - p.lowered_at <= soon(lead, p);
    p.lowered_from = std::max(p.active, goes_on ? p.lowered_from : 0);
    p.lowered_at = now;
  }
  p.active = active;
}
}  // namespace

std::int64_t patient(Instant now, Duration lead, std::int64_t active, std::int64_t wanted,
                     TidePatience& p) {
  const Duration least = std::min(lead, kMostPatience);
  p.patience = std::clamp(p.patience, least, kMostPatience);
  notice_change(now, lead, active, p);
  if (p.lowered_from > active && now - p.lowered_at > soon(lead, p)) {
    p.patience = std::max(p.patience / 2, least);
    p.lowered_from = 0;
  }
  if (wanted > active && p.lowered_from > active) {
    p.level = std::max(p.level, std::min(wanted, p.lowered_from));
    p.patience = std::min(p.patience * 2, kMostPatience);
    p.lowered_from = 0;
  }
  if (wanted >= p.level) p.wanted_at = now;
  if (now - p.wanted_at > p.patience) p.level = 0;
  p.asked = std::max(wanted, std::min({p.level, wanted + 1, active}));  // held, never ordered
  return p.asked;
}

}  // namespace tidegate::policy
