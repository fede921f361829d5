#include "live/kube/election.h"

#include <algorithm>

#include "live/kube/time_text.h"

namespace tidegate::live::kube {
namespace {

constexpr Instant kNoTerm = Instant::from_nanos(INT64_MIN);

std::string said(Duration d) { return std::to_string(to_seconds(d)) + " s"; }

}  // namespace

Result<void> LeaseTimes::check() const {
  if (second <= Duration(0) || lease < second || lease.count() % second.count() != 0) {
    return fail("lease duration " + said(lease) + ": whole seconds, at least one");
  }
  if (renew_deadline >= lease) {
    return fail("renew deadline " + said(renew_deadline) + ": must be below the lease duration " +
                said(lease) + ", or two lead at once");
  }
  if (retry <= Duration(0) || to_seconds(renew_deadline) <= kJitter * to_seconds(retry)) {
    return fail("retry period " + said(retry) + ": must be above 0 and below the renew deadline " +
                said(renew_deadline) + " / 1.2");
  }
  return {};
}

/// Labels and the like may change without anybody having renewed.
bool LeaseRecord::same_term_and_renewal(const LeaseRecord& other) const {
  return holder == other.holder && lease_seconds == other.lease_seconds &&
         transitions == other.transitions && acquired == other.acquired && renewed == other.renewed;
}

Election::Election(std::string identity, LeaseTimes times, Rng chance)
    : identity_(std::move(identity)), times_(times), chance_(chance) {}

Instant Election::expires() const {
  bool sane = known_.lease_seconds > 0 && known_.lease_seconds < 1'000'000;
  Duration lease = sane ? times_.second * known_.lease_seconds : times_.lease;
  return observed_at_ + lease;
}

bool Election::held_by_another(Instant now) const { return held(now) && !mine(); }

Instant Election::next_wake() const {
  Instant wake = under_way_ || released_ ? Instant::never() : due_at_;
  return leads_until_ == kNoTerm ? wake : std::min(wake, leads_until_);
}

std::optional<Election::Ask> Election::ask(Instant now, WallTime wall) {
  if (now >= leads_until_) leads_until_ = kNoTerm;  // once over, it stays over
  if (under_way_ || released_ || now < due_at_) return std::nullopt;
  auto out = releasing_ ? give_back(wall) : choose(now, wall);
  if (!out) return out;
  under_way_ = out->act;
  writing_ = out->record.holder;
  sent_at_ = now;
  return out;
}

std::optional<Election::Ask> Election::choose(Instant now, WallTime wall) {
  // One that has expired is written onto without another look: the version it was seen at guards
  // it.
  if (current_ && !held_by_another(now)) return replace(identity_, wall);
  return Ask{Act::kRead, {}};
}

Election::Ask Election::replace(std::string holder, WallTime wall) const {
  Ask out{exists_ ? Act::kReplace : Act::kCreate, {}};
  out.record = known_;
  out.record.renewed = format_micro_time(wall);
  out.record.lease_seconds = times_.lease / times_.second;
  if (!mine()) {
    out.record.acquired = out.record.renewed;
    out.record.transitions = seen_ ? known_.transitions + 1 : 0;
  }
  out.record.holder = std::move(holder);
  if (out.record.holder.empty()) out.record.lease_seconds = 1;
  return out;
}

std::optional<Election::Ask> Election::give_back(WallTime wall) {
  if (!current_) return Ask{Act::kRead, {}};
  if (exists_ && mine()) return replace("", wall);
  released_ = true;
  return std::nullopt;
}

void Election::observe(const LeaseRecord& record, Instant now) {
  if (!seen_ || !known_.same_term_and_renewal(record)) observed_at_ = now;
  known_ = record;
  seen_ = exists_ = current_ = true;
  if (!mine()) leads_until_ = kNoTerm;
}

void Election::soon(Instant now) {
  if (++hurry_ > kMaxHurry) return later(now);
  due_at_ = now;
}

void Election::later(Instant now) {
  hurry_ = 0;
  double share = 1 + (LeaseTimes::kJitter - 1) * chance_.uniform();
  due_at_ = now + seconds_f(to_seconds(times_.retry) * share);
  if (held_by_another(now)) due_at_ = std::min(due_at_, expires());
}

void Election::answered(Came came, const LeaseRecord& record, Instant now) {
  const Act act = *under_way_;
  under_way_.reset();
  if (releasing_ && (came == Came::kNothing || hurry_ >= kMaxHurry)) {
    released_ = true;  // it expires by itself
    return;
  }
  switch (came) {
    case Came::kNothing:
      current_ = false;  // a write may have gone through
      return later(now);
    case Came::kConflict:
      current_ = false;
      return soon(now);
    case Came::kMissing:
      exists_ = false;
      current_ = true;
      // Deleted under a holder that may not know yet: it is waited for as if it were there.
      if (!releasing_ && held_by_another(now)) {
        due_at_ = expires();
        return;
      }
      return soon(now);
    case Came::kRecord:
      break;
  }
  observe(record, now);
  if (act == Act::kRead) return releasing_ || !held_by_another(now) ? soon(now) : later(now);
  if (releasing_) {
    // Either it is given back, or the renewal that was under way has come first.
    released_ = writing_.empty();
    due_at_ = now;
    return;
  }
  leads_until_ = sent_at_ + times_.renew_deadline;
  hurry_ = 0;
  due_at_ = sent_at_ + times_.retry;
}

void Election::release(Instant now) {
  if (releasing_) return;
  leads_until_ = kNoTerm;
  releasing_ = true;
  hurry_ = 0;
  due_at_ = now;
  // What is not known may be ours: it is looked at first.
  released_ = !under_way_ && current_ && !(exists_ && mine());
}

}  // namespace tidegate::live::kube
