#include "sim/report/decision_text.h"

#include <fmt/format.h>

#include <iterator>

namespace tidegate::sim {
namespace {

bool speaks_of(const Reason& reason, std::string_view variant) {
  return variant.empty() || reason.variant.empty() || reason.variant == variant;
}

}  // namespace

std::string reasons_text(const std::vector<Reason>& reasons, std::string_view variant) {
  std::string out;
  for (const Reason& reason : reasons) {
    if (!speaks_of(reason, variant)) continue;
    if (!out.empty()) out += "; ";
    if (variant.empty() && !reason.variant.empty()) out += reason.variant + ": ";
    fmt::format_to(std::back_inserter(out), "{} {}->{}", token(reason.code), reason.before,
                   reason.after);
    if (reason.evidence.empty()) continue;
    std::string_view between = " (";
    for (const Evidence& evidence : reason.evidence) {
      fmt::format_to(std::back_inserter(out), "{}{}={}", between, evidence.name.text(),
                     evidence.value);
      between = " ";
    }
    out += ')';
  }
  return out;
}

const Reason* binding_reason(const std::vector<Reason>& reasons, std::string_view variant) {
  const Reason* last = nullptr;
  for (auto it = reasons.rbegin(); it != reasons.rend(); ++it) {
    if (!speaks_of(*it, variant)) continue;
    if (it->before != it->after) return &*it;
    if (last == nullptr) last = &*it;
  }
  return last;
}

std::int64_t planned_total(const plan::Plan& plan) {
  std::int64_t total = 0;
  for (const plan::VariantPlan& variant : plan.variants) total += variant.replicas.value();
  return total;
}

}  // namespace tidegate::sim
