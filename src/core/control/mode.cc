#include "core/control/mode.h"

namespace tidegate::control {

ModeMachine::ModeMachine(const spec::Scaling& scaling, spec::Mode mode, Instant timed_until,
                         bool paused)
    : mode_(mode),
      timed_until_(timed_until),
      paused_(paused || scaling.paused),
      spec_mode_(scaling.mode),
      spec_timed_for_(scaling.timed_for),
      spec_paused_(scaling.paused) {}

bool ModeMachine::advance(Instant now) {
  if (mode_ != spec::Mode::kTimed) return false;
  if (timed_until_.is_never()) timed_until_ = now + spec_timed_for_;
  if (now < timed_until_) return false;
  enter(spec::Mode::kObserve, Duration(0), now);
  over_ = true;
  return true;
}

void ModeMachine::enter(spec::Mode mode, Duration lasting, Instant now) {
  mode_ = mode;
  over_ = false;
  timed_until_ = mode == spec::Mode::kTimed ? now + lasting : Instant::never();
}

void ModeMachine::resume(Duration lasting, Instant now) {
  paused_ = false;
  if (lasting > Duration(0)) {
    enter(spec::Mode::kTimed, lasting, now);
  } else {
    enter(spec_mode_, spec_timed_for_, now);
  }
}

void ModeMachine::follow(const spec::Scaling& scaling, Instant now) {
  bool changed = scaling.mode != spec_mode_ || scaling.timed_for != spec_timed_for_;
  if (changed) enter(scaling.mode, scaling.timed_for, now);
  if (scaling.paused != spec_paused_) paused_ = scaling.paused;
  spec_mode_ = scaling.mode;
  spec_timed_for_ = scaling.timed_for;
  spec_paused_ = scaling.paused;
}

std::optional<ReasonCode> ModeMachine::why_not() const {
  if (!leader_) return ReasonCode::kNotLeader;
  if (paused_) return ReasonCode::kPaused;
  if (mode_ != spec::Mode::kObserve) return std::nullopt;
  return over_ ? ReasonCode::kTimedModeOver : ReasonCode::kObserveMode;
}

Instant ModeMachine::next_wake() const {
  return mode_ == spec::Mode::kTimed ? timed_until_ : Instant::never();
}

}  // namespace tidegate::control
