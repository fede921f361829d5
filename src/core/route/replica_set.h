#pragma once
// ReplicaSet: the replicas of one model and the credit each still has.
//
// Credit is ours to count exactly: requests bound to it, their KV tokens (prompt + expected output)
// and their prompt tokens before the first byte. A scrape corrects it: what an engine runs or holds
// beyond what we sent is foreign and lowers the credit, once two scrapes in a row agree (one scrape
// races with our own traffic) and until kForeignTtl passes without another. One request may always
// be out: a page that lies, or a request larger than the replica, must not close the gate for ever.
// Prompts go to one that decodes no faster than the pace of those allows (prefill_pace.h). "Busy"
// lowers the credit to what the replica holds, restored by a tenth a second; a failure closes it
// for a back-off that doubles; KV that thrashes lowers it too (sequence_credit.h). Pick: least
// loaded (KV tokens over KV room, else requests over their limit, times how slow it was seen to be
// against its profile), then fewest requests, then the one picked longest ago: equals take turns,
// nobody herds. An adapter stays where it was last while that replica is within kStickySlack of the
// least loaded.
//
// O(log n) an event while sequences bind; a head that fits nowhere for KV or prefill is looked at
// once over all and then only where credit came free. Thread-safety: one owner.

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/route/prefill_pace.h"
#include "core/route/request.h"
#include "core/route/router.h"
#include "core/route/sequence_credit.h"
#include "core/route/slab.h"

namespace tidegate::route {

class ReplicaSet {
 public:
  static constexpr Duration kForeignTtl = seconds(10);
  static constexpr Duration kBusyPause = millis(250);
  static constexpr Duration kRestoreEvery = seconds(1);
  static constexpr Duration kBackoffFirst = millis(100);
  static constexpr Duration kBackoffMost = seconds(5);
  static constexpr std::size_t kAdapters = 256;  ///< adapters remembered

  explicit ReplicaSet(Slab<Request>& requests) : requests_(requests) {}

  /// No bound: nothing is paced. Who waits for another bound is judged by this one at once.
  void pace(Duration itl);
  void up(const ReplicaUp& event);
  /// From now on; what is bound beyond it stays.
  void share(Slot replica, const ReplicaShare& event);
  /// True if it holds nothing.
  bool drain(ReplicaId id);
  /// Forgets it. What it held is no longer in any list; its requests keep `replica`, lose
  /// `replica_slot`.
  void down(ReplicaId id);
  Slot find(ReplicaId id) const { return index_.find(id.value()); }
  bool draining_and_empty(Slot replica) const;
  ReplicaId id(Slot replica) const { return replicas_[replica].id; }
  /// First of the requests it holds; follow Request::next.
  Slot held(Slot replica) const { return replicas_[replica].held.head; }

  /// The replica for a request, or kNil: nobody has credit for it.
  Slot pick(Slot request);
  void bind(Slot request, Slot replica);
  void first_byte(Slot request);
  /// It has its answer of so many tokens; release it then.
  void finished(Slot request, std::int64_t output);
  /// The request is no longer there.
  void release(Slot request);

  void succeeded(Slot replica);
  void failed(Slot replica, Instant now);
  void busy(Slot replica, Instant now);
  void scraped(Slot replica, const Scraped& event, Instant now);
  /// Tokens it produced since the last report.
  std::int64_t progressed(Slot replica, std::int64_t output);
  bool reports_progress(Slot replica) const { return replicas_[replica].output_seen >= 0; }

  /// Ends what is due: back-offs, restores, stale scrapes.
  void advance(Instant now);
  Instant next_change() const;
  /// Sequences of the replicas that may take requests.
  std::int64_t slots() const { return slots_; }
  /// What thrashing KV takes off them.
  std::int64_t withheld() const { return withheld_; }
  std::int64_t bound() const { return bound_; }
  std::vector<ReplicaView> views() const;

 private:
  static constexpr std::int64_t kNoCap = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint64_t kFullLoad = 1ULL << 20;
  static constexpr std::uint64_t kStickySlack = kFullLoad / 4;
  struct Replica {
    ReplicaId id;
    std::int32_t variant = 0;
    bool draining = false;
    std::int64_t max_requests = 1, kv_tokens = 0, max_prefill = 0;
    std::int64_t share = kNoCap, kv_share = kNoCap;  ///< of those, ours
    double prefill_share = 1;
    std::int64_t in_flight = 0, tokens = 0, prefill = 0;
    std::uint64_t load = 0;
    std::uint64_t picked = 0;  ///< when last, by pick count
    Slot place = kNil;         ///< in the heap of open ones
    List held;
    std::int64_t foreign = 0, foreign_before = 0;        ///< requests
    std::int64_t kv_foreign = 0, kv_foreign_before = 0;  ///< tokens
    std::int64_t peak = 0, peak_tokens = 0;              ///< since the last scrape
    Instant foreign_until = Instant::never();
    SequenceCredit credit;
    PrefillPace pace;
    Slot paced_place = kNil;    ///< in the heap of those that owe prefill
    std::int64_t ended = 0;     ///< requests released, in all
    std::int64_t cap = kNoCap;  ///< after "busy"
    Instant restore_at = Instant::never();
    Instant closed_until = Instant::never();  ///< never: not closed
    int failures = 0;
    std::int64_t output_seen = -1;
    std::int64_t counted = 0;    ///< its part of slots_
    std::int64_t held_back = 0;  ///< its part of withheld_
    std::int64_t limit() const;
    std::int64_t withheld() const { return max_requests - credit.limit(max_requests); }
    bool has_room() const { return !draining && closed_until.is_never() && in_flight < limit(); }
    bool open() const { return has_room() && (paced_place == kNil || in_flight == 0); }
  };
  struct LoadOrder;
  struct PacedOrder;
  struct Sticky {
    std::uint64_t adapter = 0;
    ReplicaId replica;
  };

  bool fits(const Replica& replica, const Request& request) const;
  Slot best_of(const Request& request, Slot best, Slot other) const;
  Slot pick_open(const Request& request) const;
  Slot pick_any(const Request& request) const;
  Slot stick(const Request& request, Slot least) const;
  void changed(Slot replica);
  void close(Slot replica, Instant until);
  void repace(Slot replica);
  void wants(Instant at) { next_change_ = std::min(next_change_, at); }

  Slab<Request>& requests_;
  Slab<Replica> replicas_;
  IdIndex index_;
  std::vector<Slot> all_;  ///< in order of coming up
  IndexedHeap open_;
  IndexedHeap paced_;
  PaceLaw law_;
  Instant now_;
  std::array<Sticky, kAdapters> sticky_{};
  std::uint64_t picks_ = 0;
  std::int64_t slots_ = 0, withheld_ = 0, bound_ = 0;
  Instant next_change_ = Instant::never();
  std::uint64_t blocked_ = 0;  ///< sequence of the head that fitted nowhere; 0: none
  std::vector<Slot> freed_;    ///< replicas with new credit since
};

}  // namespace tidegate::route
