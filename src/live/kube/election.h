#pragma once
// Election: who leads, by one Lease; the algorithm alone, without sockets or clocks.
//
//   Election election("pod-a_9b1f", {}, Rng(seed, "lease"));
//   if (auto ask = election.ask(now, wall)) send(*ask);         // then: election.answered(..., now)
//   if (election.leading(now)) act();
//   sleep until election.next_wake();
//
// Promises: while clocks run at the same speed (to within lease / renew_deadline), at most one
// elector of a Lease leads at any instant. A leader's term ends renew_deadline after it *sent* the
// last renewal that was answered; another takes over no sooner than the lease's duration after it
// *saw* a record that never changed since, so later by lease - renew_deadline. Times in the Lease
// are never compared with a clock here. What this cannot see: a Lease deleted by hand and made anew
// by an elector that never saw the old holder. It is no fencing: writes stay guarded by
// resourceVersion. Source: client-go's leaderelection; KEP-589. Thread-safety: one owner.

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/base/rng.h"
#include "core/base/time.h"

namespace tidegate::live::kube {

struct LeaseTimes {
  Duration lease = seconds(15);           ///< others wait so long; whole seconds
  Duration renew_deadline = seconds(10);  ///< a leader stops that long after its last renewal
  Duration retry = seconds(2);            ///< between renewals and looks, and up to kJitter more
  Duration second = seconds(1);           ///< how long a second of the Lease lasts; tests: less
  static constexpr double kJitter = 1.2;
  Result<void> check() const;
};

/// What a Lease says; times as it writes them.
struct LeaseRecord {
  std::string holder;  ///< empty: nobody
  std::int64_t lease_seconds = 0, transitions = 0;
  std::string acquired, renewed;
  std::string version;
  bool same_term_and_renewal(const LeaseRecord& other) const;
};

class Election {
 public:
  enum class Act { kRead, kCreate, kReplace };
  struct Ask {
    Act act;
    LeaseRecord record;  ///< to be written; onto its `version`
  };
  enum class Came { kRecord, kMissing, kConflict, kNothing };  ///< kNothing: outcome unknown
  static constexpr int kMaxHurry = 3;  ///< steps at once, before waiting for the next retry

  Election(std::string identity, LeaseTimes times, Rng chance);

  /// What is due; one at a time: nothing until it is answered.
  std::optional<Ask> ask(Instant now, WallTime wall);
  void answered(Came came, const LeaseRecord& record, Instant now);
  /// Ends the term; what is asked from now on gives the lease back.
  void release(Instant now);
  bool released() const { return released_; }

  bool leading(Instant now) const { return now < leads_until_; }
  /// When ask() or leading() may say something else.
  Instant next_wake() const;
  const std::string& holder() const { return known_.holder; }  ///< as seen last
  /// The holder has not expired, as far as was seen.
  bool held(Instant now) const { return seen_ && !known_.holder.empty() && now < expires(); }
  std::int64_t term() const { return known_.transitions; }

 private:
  Ask replace(std::string holder, WallTime wall) const;
  std::optional<Ask> choose(Instant now, WallTime wall);
  std::optional<Ask> give_back(WallTime wall);
  void observe(const LeaseRecord& record, Instant now);
  void soon(Instant now);   ///< the next step now, at most kMaxHurry times
  void later(Instant now);  ///< the next step after a retry
  bool mine() const { return known_.holder == identity_; }
  bool held_by_another(Instant now) const;
  Instant expires() const;

  std::string identity_;
  LeaseTimes times_;
  Rng chance_;
  LeaseRecord known_;
  bool seen_ = false;     ///< known_ is something
  bool exists_ = false;   ///< and was there when last looked for
  bool current_ = false;  ///< may be written onto without reading again
  Instant observed_at_;   ///< when known_ last changed
  std::optional<Act> under_way_;
  std::string writing_;  ///< the holder in what is under way
  Instant sent_at_;
  Instant due_at_;
  int hurry_ = 0;
  Instant leads_until_ = Instant::from_nanos(INT64_MIN);
  bool releasing_ = false, released_ = false;
};

}  // namespace tidegate::live::kube
