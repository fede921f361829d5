#pragma once
// ReplicaSignals: what one replica's last page said, typed. ReplicaMeter: the little that must be
// remembered from page to page to turn counters into rates and histograms into quantiles.
//
//   ReplicaMeter meter;
//   ReplicaSignals s = meter.read(page, now, {});
//   Signal waiting = s.signal(SignalId::kWaitingRequests, later, rule);   // fresh, stale or absent
//   Signal out = s.rate(SignalId::kOutputTokens, later, rule);            // per second
//
// What cannot be (plausible.h) is absent, and named by `doubt`.
// Counters that go down were reset: what they show now has all come since. A rate spans the last
// half to whole of MeterOptions::window; the first page gives none. Histogram quantiles cover one
// to two windows and interpolate linearly inside a bucket, as Prometheus' histogram_quantile: an
// answer beyond the last finite bound is that bound, so they are bounds, not measurements.
// Thread-safety: values with one owner.

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/signal/observation.h"
#include "core/signal/page.h"

namespace tidegate::signal {

/// A value is fresh up to `stale_after` of age, then stale, from `absent_after` on unknown.
struct FreshnessRule {
  Duration stale_after = seconds(3);
  Duration absent_after = seconds(10);
  Freshness of(Instant measured, Instant now) const;
};

struct LatencyReading {
  double count = 0;  ///< observations the quantiles rest on; 0: none, the rest means nothing
  double mean_seconds = 0;
  double p50_seconds = 0, p90_seconds = 0, p99_seconds = 0;
};

/// The largest of the last minute: what was over a limit and is not any more still counts. Kept in
/// slots of 5 s, so it covers the last 55 to 60 s. Source: Prometheus' max_over_time[1m].
class Peak {
 public:
  static constexpr Duration kSlot = seconds(5);
  static constexpr std::size_t kSlots = 12;
  Peak();
  /// The peak with `value` taken in; NaN is not taken in, and is the answer where nothing was.
  double note(double value, Instant now);

 private:
  std::array<double, kSlots> slots_;
  std::size_t current_ = 0;
  Instant began_;  ///< of the current slot
};

/// A value that was not believed (plausible.h); of a counter, its rate.
struct Doubt {
  SignalId id = SignalId::kRunningRequests;
  double value = 0;
};

struct ReplicaSignals {
  DialectId dialect = DialectId::kVllm;
  Source source = Source::kEngine;                         ///< who said it
  Instant at;                                              ///< when the page was read
  std::array<double, kGaugeCount + kCounterCount> values;  ///< gauges, counter totals; NaN: absent
  std::array<double, kCounterCount> rates;                 ///< per second; NaN: absent
  std::array<LatencyReading, kHistogramCount> latencies;
  double kv_usage_peak;                     ///< of the last minute; NaN: absent
  double waiting_peak;                      ///< requests in the engine's queue and aside, likewise
  std::optional<std::string> lora_running;  ///< comma-joined adapter names
  std::optional<std::string> lora_waiting;
  std::optional<Doubt> doubt;  ///< the first of this page

  ReplicaSignals();
  double value(SignalId id) const { return values[index_of(id)]; }
  bool has(SignalId id) const { return value(id) == value(id); }
  Signal signal(SignalId id, Instant now, const FreshnessRule& rule) const;
  Signal rate(SignalId counter, Instant now, const FreshnessRule& rule) const;
  const LatencyReading& latency(SignalId histogram) const {
    return latencies[index_of(histogram) - index_of(SignalId::kTtft)];
  }
  /// 0 awake, 1 weights in host memory, 2 weights gone; nothing where the engine does not say.
  std::optional<int> sleep_level() const;
};

struct MeterOptions {
  HistogramSet histograms;  ///< whose state is kept; default none
  Duration window = seconds(10);
  Duration forget_after = seconds(300);  ///< a gap longer than this starts counters afresh
};

class ReplicaMeter {
 public:
  ReplicaSignals read(const Page& page, Instant now, const MeterOptions& options);
  /// Another process answers now, or nobody knows: rates start again.
  void reset();

 private:
  struct Counter {
    double last = 0;              ///< as on the page
    double grown = 0;             ///< since the meter began, resets taken out
    double base = 0, middle = 0;  ///< `grown` at base_at and middle_at
    Instant base_at, middle_at, last_at;
    std::uint8_t rank = 0;
    bool seen = false;
  };
  struct WindowedBucket {
    double bound = 0;
    double last = 0;      ///< cumulative, as on the page
    double current = 0;   ///< grown in this window
    double previous = 0;  ///< grown in the window before
  };
  struct Histogram {
    SignalId id = SignalId::kTtft;
    std::uint8_t rank = 0;
    bool seen = false;
    std::vector<WindowedBucket> buckets;  ///< ascending; the last is the count (+Inf)
    WindowedBucket sum;
    Instant window_began, last_at;
  };
  double advance(Counter& c, double value, std::uint8_t rank, Instant now, const MeterOptions& o);
  LatencyReading advance(Histogram& h, const HistogramReading& page, std::uint8_t rank, Instant now,
                         const MeterOptions& o);
  Histogram& histogram(SignalId id);

  std::array<Counter, kCounterCount> counters_;
  std::vector<Histogram> histograms_;  ///< only those used
  Peak kv_usage_, waiting_;
};

/// Quantile q of cumulative `buckets` (ascending, without +Inf) with `count` in all. NaN for count
/// <= 0.
double histogram_quantile(std::span<const Bucket> buckets, double count, double q);

}  // namespace tidegate::signal
