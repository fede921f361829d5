#pragma once
// Scraper: reads the metrics pages of thousands of engines on one Loop.
//
//   Scraper scraper(loop, client, clock, {.histograms = HistogramSet().with(SignalId::kTtft)},
//                   [&](const ScrapeReport& r) { if (r.signals) tell_router(r.id, *r.signals); });
//   scraper.add({.id = id, .address = address, .dialect = signal::DialectId::kVllm});
//   if (auto* s = scraper.signals(id, now)) use(s->signal(kRunningRequests, now, scraper.rule()));
//
// Promises: one callback for each scrape, good or failed, to the target's own `heard` where it has
// one; a target is never asked twice at once,
// and at most max_concurrent are asked at a time, the one waiting longest first; every scrape ends
// within the time box; a page over max_page_bytes is a failure; failures back off. Values age:
// stale after three periods, absent after ten. A page that names nothing we know makes the
// replica's signals absent at once. Units: `period` is world time (but never under kMinWallPeriod
// of wall time); the time box and the back-off are wall time. More targets than max_per_second lets
// through are asked less often, all alike: at 10,000 each fifth second; values then age as slowly.
// Thread-safety: the loop's thread; do not destroy it from its own callback.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "core/signal/replica_signals.h"
#include "format/exposition_signals.h"
#include "live/net/clock.h"
#include "live/net/http_client.h"
#include "live/net/loop.h"

namespace tidegate::live {

struct ScrapeReport;

struct ScrapeTarget {
  ReplicaId id;
  net::Address address;
  std::string path;                          ///< empty: the dialect's own
  std::optional<signal::DialectId> dialect;  ///< nothing: by the names on the page
  std::string token_file;                    ///< of a bearer token; read each time; empty: none
  /// Told instead of the scraper's callback; it may remove its target.
  std::function<void(const ScrapeReport&)> heard = {};
};

struct ScraperOptions {
  Duration period = seconds(1);           ///< world time
  Duration time_box = seconds(1);         ///< wall time of one scrape
  Duration max_backoff = seconds(15);     ///< wall time
  std::size_t max_concurrent = 128;       ///< scrapes under way
  std::size_t max_per_second = 2'000;     ///< wall; beyond it the period grows by whole periods
  std::size_t max_targets = 20'000;       ///< add() beyond it fails
  std::size_t max_page_bytes = 4u << 20;  ///< of one page
  signal::HistogramSet histograms;        ///< parsed and remembered; default none
  Duration rate_window = seconds(10);     ///< world time
  std::uint64_t seed = 1;                 ///< of phases and back-off
};

struct ScrapeReport {
  ReplicaId id;
  Instant at;  ///< world time
  const signal::ReplicaSignals* signals =
      nullptr;             ///< nullptr: failed; valid until the target changes
  std::string error;       ///< for people; empty: good
  int status = 0;          ///< of the answer; 0: there was none
  format::PageStats page;  ///< what was on it; garbage lines are no failure
};

class Scraper {
 public:
  static constexpr Duration kMinWallPeriod = millis(100);
  using Callback = std::function<void(const ScrapeReport&)>;

  Scraper(net::Loop& loop, net::HttpClient& client, const net::WorldClock& clock,
          ScraperOptions options, Callback callback);
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  /// Starts to scrape, at its phase within one period. A target of the same id is replaced.
  Result<void> add(ScrapeTarget target);
  /// Of a page that is no replica's: no replica has it.
  ReplicaId page_id() { return ReplicaId(--last_page_id_); }
  /// No callback for it comes any more. Unknown ids are fine.
  void remove(ReplicaId id);
  /// The last page read; nullptr where nothing is known or it is too old.
  const signal::ReplicaSignals* signals(ReplicaId id, Instant now) const;
  /// World time from one scrape of a target to its next, with as many targets as there are.
  Duration period() const;
  /// How values age at this period, for ReplicaSignals::signal() and aggregate().
  const signal::FreshnessRule& rule() const { return rule_; }

  std::size_t targets() const { return targets_.size(); }
  std::size_t under_way() const { return under_way_; }

 private:
  struct Target {
    ScrapeTarget what;
    std::optional<signal::DialectId> dialect;  ///< given, or found
    signal::ReplicaMeter meter;
    std::optional<signal::ReplicaSignals> last;
    Instant due;  ///< of the scrape that comes next or is under way
    int failures = 0;
    std::string token_trouble;  ///< why it was asked without a token
    net::HttpClient::CallId call = net::HttpClient::CallId::kNone;
    net::Loop::TimerId box = net::Loop::TimerId::kNone;
  };
  using Due = std::pair<Instant, ReplicaId>;

  void pace();
  void pump();
  void arm();
  void start(Target& target);
  void stop(Target& target);
  void finished(ReplicaId id, Result<net::Response> response);
  Result<format::PageStats> read(Target& target, const net::Response& response);
  const format::PageReader& reader(signal::DialectId id);

  net::Loop& loop_;
  net::HttpClient& client_;
  const net::WorldClock& clock_;
  ScraperOptions options_;
  Callback callback_;
  Duration least_period_, wall_period_;  ///< wall: with few targets, and now
  signal::FreshnessRule rule_;
  std::unordered_map<ReplicaId, Target> targets_;
  std::set<Due> due_;  ///< targets that are not under way, soonest first
  std::size_t under_way_ = 0;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  Instant armed_for_;
  std::uint64_t last_page_id_ = 0;  ///< counts down from the end
  std::array<std::unique_ptr<format::PageReader>, signal::kDialectCount> readers_;
  signal::Page page_;  ///< one buffer for all
};

}  // namespace tidegate::live
