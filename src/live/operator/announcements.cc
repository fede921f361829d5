#include "live/operator/announcements.h"

#include <fmt/format.h>

namespace tidegate::live {
namespace {

constexpr std::size_t kMaxEvidence = 6;

bool is_warning(ReasonCode code) {
  return code == ReasonCode::kForeignWrite || code == ReasonCode::kCapacityFailed ||
         code == ReasonCode::kRefused || code == ReasonCode::kQuota;
}

const char* action_of(const Reason& reason) {
  switch (reason.code) {
    case ReasonCode::kForeignWrite:
      return "TakeOver";
    case ReasonCode::kCapacityFailed:
      return "PlanAround";
    case ReasonCode::kRefused:
      return "TryAgain";
    default:
      return reason.after > reason.before   ? "ScaleUp"
             : reason.after < reason.before ? "ScaleDown"
                                            : "Report";
  }
}

}  // namespace

std::optional<kube::EventWords> event_words(const control::Announce& announce) {
  const Reason& reason = announce.reason;
  if (reason.code == ReasonCode::kAdopted && !reason.variant.empty()) return std::nullopt;
  kube::EventWords out;
  out.warning = is_warning(reason.code);
  out.reason = std::string(token(reason.code));
  out.action = action_of(reason);
  if (!reason.variant.empty()) {
    out.note =
        reason.before == reason.after
            ? reason.variant + ": "
            : fmt::format("{}: {} -> {} replicas: ", reason.variant, reason.before, reason.after);
  }
  out.note += sentence(reason.code);
  if (!announce.detail.empty()) out.note += ": " + announce.detail;
  for (std::size_t i = 0; i < reason.evidence.size() && i < kMaxEvidence; ++i) {
    out.note += fmt::format("{}{} {:.4g}", i == 0 ? " (" : ", ", reason.evidence[i].name.text(),
                            reason.evidence[i].value);
  }
  if (!reason.evidence.empty()) out.note += ")";
  return out;
}

}  // namespace tidegate::live
