#pragma once
// ModeMachine: may the controller act? Mode, timed mode, pause and leadership in one place.
//
//   observe recommends; timed acts until a stated time, then observes; auto acts. Paused or not the
//   leader: no writes. Changes come from the operator, the spec and the clock.

#include <optional>

#include "core/base/reason.h"
#include "core/base/time.h"
#include "core/spec/model.h"

namespace tidegate::control {

class ModeMachine {
 public:
  ModeMachine(const spec::Scaling& scaling, spec::Mode mode, Instant timed_until, bool paused);

  /// Starts the timed mode's clock where none runs, and ends it. True where it has just run out.
  bool advance(Instant now);
  void pause() { paused_ = true; }
  /// lasting > 0: timed for so long; else the spec's own mode.
  void resume(Duration lasting, Instant now);
  /// Takes over what the new spec changed of mode and pause; what it left alone stays.
  void follow(const spec::Scaling& scaling, Instant now);
  void set_leader(bool leader) { leader_ = leader; }

  bool acts() const { return !why_not(); }
  /// Why not, the strongest first.
  std::optional<ReasonCode> why_not() const;
  spec::Mode mode() const { return mode_; }
  bool paused() const { return paused_; }
  bool leader() const { return leader_; }
  Instant timed_until() const { return timed_until_; }
  Instant next_wake() const;

 private:
  void enter(spec::Mode mode, Duration lasting, Instant now);

  spec::Mode mode_;
  Instant timed_until_;
  bool paused_;
  bool leader_ = true;
  bool over_ = false;  ///< observing because the timed mode ran out
  spec::Mode spec_mode_;
  Duration spec_timed_for_;
  bool spec_paused_;
};

}  // namespace tidegate::control
