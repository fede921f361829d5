#pragma once
// SequenceCredit: how many sequences a replica may hold, lowered while its KV thrashes.
//
//   SequenceCredit credit;
//   credit.look({.preempted = 12, .held = 40, .running = 38, .ended = 300, .at = now}, 64);
//   std::int64_t most = credit.limit(64);
//
// An engine out of KV preempts a sequence and computes it again: work done twice, and a stall its
// client sees. It preempts for as long as it is given more than it can carry, so it is given less:
// additive increase, multiplicative decrease (Chiu and Jain 1989). Looked at once in kInterval:
// more than kThrashing of the requests that left it preempted, or any swapped out, takes kCut off
// what it ran; none at all gives kRestore of the full back; in between nothing changes. A cut is
// followed by another only where it had taken hold before the interval began (as TCP cuts once per
// window in flight, RFC 6582): what was admitted before drains first. Never below full / kFloor,
// nor below one.
//
// A count not said (-1) changes nothing, nor does one that went back: the engine began anew.
// Sequences. Thread-safety: a value with one owner.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/base/time.h"

namespace tidegate::route {

class SequenceCredit {
 public:
  static constexpr Duration kInterval = seconds(10);
  /// Recomputing more than this share of the requests costs more than the room it buys.
  static constexpr double kThrashing = 0.02;
  static constexpr std::int64_t kAccident = 1;  ///< so many in an interval may happen
  static constexpr double kCut = 0.07;
  static constexpr double kRestore = 0.02;
  static constexpr std::int64_t kFloor = 16;

  struct Look {
    std::int64_t preempted = -1;  ///< as the engine counts, in all; -1: it does not say
    std::int64_t swapped = 0;     ///< set aside now
    std::int64_t held = 0;        ///< bound to it, at most since the last look
    std::int64_t running = 0;     ///< as the engine says
    std::int64_t ended = 0;       ///< bound to it and gone again, in all
    Instant at;
  };
  void look(const Look& look, std::int64_t full);
  std::int64_t limit(std::int64_t full) const { return std::min(full, credit_); }

 private:
  static constexpr std::int64_t kFull = std::numeric_limits<std::int64_t>::max();
  void begin(const Look& look, std::int64_t full);
  void judge(std::int64_t preempted, std::int64_t ended, std::int64_t full);

  std::int64_t credit_ = kFull;
  // The interval.
  Instant began_ = Instant::never();        ///< never: no look yet
  std::int64_t preempted_ = 0, ended_ = 0;  ///< as it began
  bool settled_ = false;                    ///< it held no more than its credit then
  std::int64_t last_ = 0;                   ///< preempted, by the latest look
  std::int64_t ran_ = 0, swapped_ = 0;      ///< at most in it
};

}  // namespace tidegate::route
