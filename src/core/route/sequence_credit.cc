#include "core/route/sequence_credit.h"

namespace tidegate::route {

void SequenceCredit::begin(const Look& look, std::int64_t full) {
  began_ = look.at;
  preempted_ = look.preempted;
  ended_ = look.ended;
  settled_ = look.held <= limit(full);
  ran_ = swapped_ = 0;
}

void SequenceCredit::look(const Look& look, std::int64_t full) {
  if (look.preempted < 0) return;
  const bool anew = began_.is_never() || look.preempted < last_;
  last_ = look.preempted;
  if (anew) return begin(look, full);
  ran_ = std::max(ran_, std::min(look.held, look.running));
  swapped_ = std::max(swapped_, look.swapped);
  if (look.at - began_ < kInterval) return;
  judge(look.preempted - preempted_, look.ended - ended_, full);
  begin(look, full);
}

void SequenceCredit::judge(std::int64_t preempted, std::int64_t ended, std::int64_t full) {
  const bool thrashes =
      swapped_ > 0 || (preempted > kAccident &&
                       static_cast<double>(preempted) > kThrashing * static_cast<double>(ended));
  if (thrashes) {
    if (!settled_) return;
    const auto less =
        static_cast<std::int64_t>((1 - kCut) * static_cast<double>(std::min(ran_, limit(full))));
    const std::int64_t floor = std::max<std::int64_t>(1, full / kFloor);
    credit_ = std::min(limit(full), std::max(floor, less));
  } else if (preempted == 0 && credit_ != kFull) {
    const auto step =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(kRestore * static_cast<double>(full)));
    credit_ = credit_ >= full - step ? kFull : credit_ + step;
  }
}

}  // namespace tidegate::route
