#pragma once
// Router of one model: which request waits, which goes where. Sans-I/O: events in, actions out.
//
//   Router r(options);
//   r.handle(ReplicaUp{...}, now, actions);
//   r.handle(Arrived{...}, now, actions);  // -> Dispatch{id, replica}, Answer{...}, or it waits
//
// Late binding: a request is bound only when a replica has credit for it (sequences, uncached
// prefill tokens, KV tokens), by our own exact accounting, corrected by Scraped. The queue is
// bounded in requests and bytes; every request ends in exactly one outcome. O(log n) an event; the
// steady state allocates nothing. Deterministic: ties are broken by a rotation that does not herd.
// Thread-safety: one owner (live puts a mutex around it and reads `now` inside).

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "core/signal/observation.h"

namespace tidegate::route {

/// Every way a request can end; one HTTP status, one metric label, one x-tidegate-outcome value
/// each.
enum class Outcome : std::uint8_t {
  kCompleted,            // the engine's own status
  kQueueFull,            // 429
  kQueueBytesFull,       // 429
  kDeadlineUnreachable,  // 429: cannot make its deadline, said at once
  kQueueTimeout,         // 503: waited its deadline out
  kNoReplica,            // 503: nothing runs and nothing can
  kUpstreamFailed,       // 502: no replica answered it (retries used up)
  kUpstreamLost,         // the stream broke after the first byte
  kClientGone,           // 499
  kShuttingDown,         // 503
};

// ---- events ----
struct Arrived {
  static constexpr std::string_view kType = "Arrived";
  RequestId id;
  Tokens prompt;
  Tokens max_output;                    ///< what the client allows; 0: not said
  std::int64_t bytes = 0;               ///< held at the gateway while it waits
  std::int64_t priority = 0;            ///< class index, 0 the most urgent; clamped
  std::uint64_t tenant = 0;             ///< hash; 0: none
  Instant deadline = Instant::never();  ///< client's own; never: arrival + maxWait
  std::string adapter;                  ///< LoRA name; empty: base model
  std::vector<std::uint64_t> prefix;    ///< chained block hashes, may be empty
  static constexpr auto fields(auto...) {
    using A = Arrived;
    return std::tuple(Field{"id", &A::id}, Field{"prompt", &A::prompt},
                      Field{"maxOutput", &A::max_output}, Field{"bytes", &A::bytes},
                      Field{"priority", &A::priority}, Field{"tenant", &A::tenant},
                      Field{"deadline", &A::deadline}, Field{"adapter", &A::adapter},
                      Field{"prefix", &A::prefix});
  }
};
struct FirstByte {
  static constexpr std::string_view kType = "FirstByte";
  RequestId id;
  static constexpr auto fields(auto...) { return std::tuple(Field{"id", &FirstByte::id}); }
};
/// The replica answered it whole. `reusable` 0: an engine-side error status (counts as answered).
struct Finished {
  static constexpr std::string_view kType = "Finished";
  RequestId id;
  Tokens prompt;  ///< usage as the engine said; 0: not said
  Tokens cached;
  Tokens output;
  static constexpr auto fields(auto...) {
    using F = Finished;
    return std::tuple(Field{"id", &F::id}, Field{"prompt", &F::prompt}, Field{"cached", &F::cached},
                      Field{"output", &F::output});
  }
};
/// The replica did not take it or broke before the first byte (connect refused, reset, 503 busy):
/// the router places it again (front of its class), up to kMaxAttempts, then answers
/// kUpstreamFailed; busy is no attempt, so that it may wait for room until its deadline. After the
/// first byte live sends it with `after_first_byte` 1: kUpstreamLost.
struct Failed {
  static constexpr std::string_view kType = "Failed";
  RequestId id;
  std::uint8_t after_first_byte = 0;
  std::uint8_t busy = 0;  ///< 1: the replica said it is full; its credit is lowered for a while
  static constexpr auto fields(auto...) {
    using F = Failed;
    return std::tuple(Field{"id", &F::id}, Field{"afterFirstByte", &F::after_first_byte},
                      Field{"busy", &F::busy});
  }
};
/// The client left, in whatever phase.
struct Gone {
  static constexpr std::string_view kType = "Gone";
  RequestId id;
  static constexpr auto fields(auto...) { return std::tuple(Field{"id", &Gone::id}); }
};
struct ReplicaUp {
  static constexpr std::string_view kType = "ReplicaUp";
  ReplicaId replica;
  std::int32_t variant = 0;
  std::int64_t max_requests = 0;        ///< sequences it may hold at once (concurrency target)
  std::int64_t kv_tokens = 0;           ///< 0: unknown, no KV credit
  std::int64_t max_prefill_tokens = 0;  ///< uncached prompt tokens not yet started; 0: no bound
  // A step of the whole replica as its profile says, in femtoseconds: of any, of a prompt token, of
  // a decoding sequence, of a token of decoding context, of a prompt token and a token before it.
  // No c1: prompts are not paced.
  std::int64_t c0_fs = 0, c1_fs = 0, c2_fs = 0, c3_fs = 0, c4_fs = 0;
  std::uint8_t shared = 0;  ///< 1: nothing of a new one is ours until a ReplicaShare says so
  static constexpr auto fields(auto...) {
    using R = ReplicaUp;
    return std::tuple(Field{"replica", &R::replica}, Field{"variant", &R::variant},
                      Field{"maxRequests", &R::max_requests}, Field{"kvTokens", &R::kv_tokens},
                      Field{"maxPrefillTokens", &R::max_prefill_tokens}, Field{"c0Fs", &R::c0_fs},
                      Field{"c1Fs", &R::c1_fs}, Field{"c2Fs", &R::c2_fs}, Field{"c3Fs", &R::c3_fs},
                      Field{"c4Fs", &R::c4_fs}, Field{"shared", &R::shared});
  }
};
/// No new requests; what it holds may finish; then Drained.
struct ReplicaDraining {
  static constexpr std::string_view kType = "ReplicaDraining";
  ReplicaId replica;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"replica", &ReplicaDraining::replica});
  }
};
/// It is gone. Its requests without a first byte are placed again; live reports the others as
/// Failed.
struct ReplicaDown {
  static constexpr std::string_view kType = "ReplicaDown";
  ReplicaId replica;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"replica", &ReplicaDown::replica});
  }
};
/// How much of a replica is this router's, where several send to it; -1: all. Without one of these
/// it is all. With no sequence of its own it sends nothing there.
struct ReplicaShare {
  static constexpr std::string_view kType = "ReplicaShare";
  ReplicaId replica;
  std::int64_t max_requests = -1;
  std::int64_t kv_tokens = -1;
  std::int64_t prefill_mille = -1;  ///< of the time it has for prompts, thousandths
  static constexpr auto fields(auto...) {
    using S = ReplicaShare;
    return std::tuple(Field{"replica", &S::replica}, Field{"maxRequests", &S::max_requests},
                      Field{"kvTokens", &S::kv_tokens}, Field{"prefillMille", &S::prefill_mille});
  }
};
/// Tokens a replica has produced so far, told per replica and tick, never per token.
struct ReplicaProgress {
  static constexpr std::string_view kType = "ReplicaProgress";
  ReplicaId replica;
  Tokens output;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"replica", &ReplicaProgress::replica},
                      Field{"output", &ReplicaProgress::output});
  }
};
struct Scraped {
  static constexpr std::string_view kType = "Scraped";
  ReplicaId replica;
  std::int64_t running = 0;
  std::int64_t waiting = 0;
  double kv_usage = 0;          ///< 0..1
  std::int64_t preempted = -1;  ///< in all, as the engine counts; -1: it does not say
  std::int64_t swapped = 0;     ///< set aside for want of KV, now
  static constexpr auto fields(auto...) {
    using S = Scraped;
    return std::tuple(Field{"replica", &S::replica}, Field{"running", &S::running},
                      Field{"waiting", &S::waiting}, Field{"kvUsage", &S::kv_usage},
                      Field{"preempted", &S::preempted}, Field{"swapped", &S::swapped});
  }
};
struct Tick {
  static constexpr std::string_view kType = "Tick";
  static constexpr auto fields(auto...) { return std::tuple<>(); }
};
/// Stop taking requests; 0 means answer what waits with kShuttingDown now.
struct Shutdown {
  static constexpr std::string_view kType = "Shutdown";
  std::uint8_t keep_queue = 0;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"keepQueue", &Shutdown::keep_queue});
  }
};
using Event = std::variant<Arrived, FirstByte, Finished, Failed, Gone, ReplicaUp, ReplicaDraining,
                           ReplicaDown, ReplicaShare, ReplicaProgress, Scraped, Tick, Shutdown>;

// ---- actions ----
struct Dispatch {
  static constexpr std::string_view kType = "Dispatch";
  RequestId id;
  ReplicaId replica;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"id", &Dispatch::id}, Field{"replica", &Dispatch::replica});
  }
};
/// Tell the client (no replica will). retry_after is an honest estimate; zero: none to give.
struct Answer {
  static constexpr std::string_view kType = "Answer";
  RequestId id;
  Outcome outcome = Outcome::kCompleted;
  Duration retry_after{0};
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"id", &Answer::id}, Field{"outcome", &Answer::outcome},
                      Field{"retryAfter", &Answer::retry_after});
  }
};
/// Stop working on it at the replica (client gone).
struct Cancel {
  static constexpr std::string_view kType = "Cancel";
  RequestId id;
  ReplicaId replica;
  static constexpr auto fields(auto...) {
    return std::tuple(Field{"id", &Cancel::id}, Field{"replica", &Cancel::replica});
  }
};
/// A draining replica holds nothing any more.
struct Drained {
  static constexpr std::string_view kType = "Drained";
  ReplicaId replica;
  static constexpr auto fields(auto...) { return std::tuple(Field{"replica", &Drained::replica}); }
};
using Action = std::variant<Dispatch, Answer, Cancel, Drained>;

inline constexpr int kMaxAttempts = 3;

struct Options {
  std::int64_t max_requests = 2000;      ///< waiting at once
  std::int64_t max_bytes = 256LL << 20;  ///< waiting at once
  Duration max_wait = seconds(120);
  std::vector<std::int64_t> class_weights = {1};  ///< weight by tokens, index 0 the most urgent
  Duration due{0};  ///< who waits longer goes behind who does not; 0: nobody does
  Duration itl{0};  ///< prompts are paced so that decoding keeps it; 0: not
  static constexpr auto fields(auto...) {
    using O = Options;
    return std::tuple(Field{"maxRequests", &O::max_requests}, Field{"maxBytes", &O::max_bytes},
                      Field{"maxWait", &O::max_wait}, Field{"classWeights", &O::class_weights},
                      Field{"due", &O::due}, Field{"itl", &O::itl});
  }
};

struct ReplicaView {
  ReplicaId replica;
  std::int32_t variant = 0;
  bool draining = false;
  std::int64_t in_flight = 0;         ///< requests
  std::int64_t in_flight_tokens = 0;  ///< prompt + expected output
  std::int64_t credit = 0;            ///< requests it may hold now
  std::int64_t withheld = 0;          ///< of its full credit, while its KV thrashes
  std::int64_t ended = 0;             ///< requests bound to it and gone again, in all
};

class Router {
 public:
  explicit Router(Options options);
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  /// Appends to `actions`; never throws. Events about unknown ids are ignored (a late Finished
  /// after Gone).
  void handle(const Event& event, Instant now, std::vector<Action>& actions);
  /// New bounds after a reload; what already waits stays.
  void set_options(Options options);
  /// Earliest time a Tick is wanted (a deadline in the queue); never if none.
  Instant next_wake() const;
  /// Counters and gauges for the observation. Cumulative totals from construction.
  signal::Demand demand(Instant now) const;
  /// Requests before it in the queue; -1 if it does not wait.
  std::int64_t position(RequestId id) const;
  std::vector<ReplicaView> replicas() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::route

namespace tidegate {
template <>
struct EnumTokens<route::Outcome> {
  static constexpr std::string_view kTokens[] = {
      "completed",  "queue_full",      "queue_bytes_full", "deadline_unreachable", "queue_timeout",
      "no_replica", "upstream_failed", "upstream_lost",    "client_gone",          "shutting_down"};
};
/// The HTTP status of an outcome; 0 for kCompleted (the engine's own) and kUpstreamLost (already
/// sent).
constexpr int http_status(route::Outcome outcome) {
  switch (outcome) {
    case route::Outcome::kCompleted:
      return 0;
    case route::Outcome::kQueueFull:
    case route::Outcome::kQueueBytesFull:
    case route::Outcome::kDeadlineUnreachable:
      return 429;
    case route::Outcome::kQueueTimeout:
    case route::Outcome::kNoReplica:
    case route::Outcome::kShuttingDown:
      return 503;
    case route::Outcome::kUpstreamFailed:
      return 502;
    case route::Outcome::kUpstreamLost:
      return 0;
    case route::Outcome::kClientGone:
      return 499;
  }
  return 500;
}
}  // namespace tidegate
