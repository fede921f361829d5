#include "core/signal/replica_signals.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/check.h"
#include "core/signal/plausible.h"

namespace tidegate::signal {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Signal make_signal(double value, Instant at, Source source, Instant now,
                   const FreshnessRule& rule) {
  Signal s;
  if (!std::isfinite(value)) return s;
  Freshness freshness = rule.of(at, now);
  if (freshness == Freshness::kAbsent) return s;
  return {value, at, source, freshness, 1.0};
}

/// A total stays: where its rate alone is wild, another page tells more.
void disbelieve(ReplicaSignals& s, SignalId id, double value) {
  if (!s.doubt) s.doubt = Doubt{id, value};
  if (!plausible(id, s.values[index_of(id)])) s.values[index_of(id)] = kNan;
}

/// What follows from other signals of the same page, where the engine does not say it itself.
void derive(ReplicaSignals& s) {
  using S = SignalId;
  auto set = [&](S id, double value) {
    if (!s.has(id) && std::isfinite(value)) s.values[index_of(id)] = value;
  };
  set(S::kRunningRequests, s.value(S::kMeanRunningRequests) * s.value(S::kReadyEndpoints));
  set(S::kWaitingRequests, s.value(S::kMeanWaitingRequests) * s.value(S::kReadyEndpoints));
  double decoding = s.value(S::kInFlightRequests) - s.value(S::kWaitingRequests);
  set(S::kRunningRequests, decoding < 0 ? 0 : decoding);  // std::max would make zero of NaN
  double aside = s.has(S::kWaitingAsideRequests) ? s.value(S::kWaitingAsideRequests) : 0;
  double swapped = s.has(S::kSwappedRequests) ? s.value(S::kSwappedRequests) : 0;
  set(S::kInFlightRequests,
      s.value(S::kRunningRequests) + s.value(S::kWaitingRequests) + aside + swapped);
  set(S::kKvTotalTokens, s.value(S::kKvTotalBlocks) * s.value(S::kKvBlockTokens));
  set(S::kKvUsedTokens, s.value(S::kKvUsedBlocks) * s.value(S::kKvBlockTokens));
  set(S::kKvUsage, s.value(S::kKvUsedTokens) / s.value(S::kKvTotalTokens));
  if (s.has(S::kKvUsage) && !plausible(S::kKvUsage, s.value(S::kKvUsage))) {
    disbelieve(s, S::kKvUsage, s.value(S::kKvUsage));
  }
  set(S::kKvUsedTokens, s.value(S::kKvUsage) * s.value(S::kKvTotalTokens));
}

}  // namespace

Freshness FreshnessRule::of(Instant measured, Instant now) const {
  Duration age = now - measured;
  return age >= absent_after ? Freshness::kAbsent
         : age > stale_after ? Freshness::kStale
                             : Freshness::kFresh;
}

Peak::Peak() { slots_.fill(kNan); }

double Peak::note(double value, Instant now) {
  if (now - began_ >= kSlot * static_cast<std::int64_t>(kSlots)) {
    slots_.fill(kNan);
    began_ = now;
  }
  while (now - began_ >= kSlot) {
    began_ += kSlot;
    current_ = (current_ + 1) % kSlots;
    slots_[current_] = kNan;
  }
  if (value == value && !(slots_[current_] >= value)) slots_[current_] = value;
  double peak = kNan;
  for (double slot : slots_) {
    if (!(peak >= slot) && slot == slot) peak = slot;
  }
  return peak;
}

ReplicaSignals::ReplicaSignals() : kv_usage_peak(kNan), waiting_peak(kNan) {
  values.fill(kNan);
  rates.fill(kNan);
}

Signal ReplicaSignals::signal(SignalId id, Instant now, const FreshnessRule& rule) const {
  TIDEGATE_CHECK(index_of(id) < values.size());
  return make_signal(value(id), at, source, now, rule);
}

Signal ReplicaSignals::rate(SignalId counter, Instant now, const FreshnessRule& rule) const {
  TIDEGATE_CHECK(shape_of(counter) == Shape::kCounter);
  return make_signal(rates[index_of(counter) - kGaugeCount], at, source, now, rule);
}

std::optional<int> ReplicaSignals::sleep_level() const {
  if (!has(SignalId::kSleepLevel1) && !has(SignalId::kSleepLevel2)) return std::nullopt;
  if (value(SignalId::kSleepLevel2) > 0) return 2;
  return value(SignalId::kSleepLevel1) > 0 ? 1 : 0;
}

double histogram_quantile(std::span<const Bucket> buckets, double count, double q) {
  if (!(count > 0)) return kNan;
  double rank = q * count, below = 0, lower = 0;
  for (const Bucket& b : buckets) {
    double cumulative =
        std::max(b.count, below);  // a page read in the middle of an update may step back
    if (cumulative >= rank && cumulative > below) {
      if (b.bound <= 0) return b.bound;  // no lower end to interpolate from
      return lower + (b.bound - lower) * std::max(0.0, (rank - below) / (cumulative - below));
    }
    below = cumulative;
    lower = std::max(lower, b.bound);
  }
  return buckets.empty() ? kNan : buckets.back().bound;
}

void ReplicaMeter::reset() {
  counters_ = {};
  histograms_.clear();
  kv_usage_ = waiting_ = {};
}

double ReplicaMeter::advance(Counter& c, double value, std::uint8_t rank, Instant now,
                             const MeterOptions& o) {
  bool afresh = !c.seen || c.rank != rank || now - c.last_at > o.forget_after;
  if (afresh) {
    c = {.last = value,
         .base_at = now,
         .middle_at = now,
         .last_at = now,
         .rank = rank,
         .seen = true};
    return kNan;
  }
  c.grown += value >= c.last ? value - c.last : value;
  c.last = value;
  c.last_at = now;
  double span = to_seconds(now - c.base_at);
  double rate = span > 0 ? (c.grown - c.base) / span : kNan;
  if (now - c.middle_at >= o.window / 2) {
    c.base = c.middle;
    c.base_at = c.middle_at;
    c.middle = c.grown;
    c.middle_at = now;
  }
  return rate;
}

ReplicaMeter::Histogram& ReplicaMeter::histogram(SignalId id) {
  for (Histogram& h : histograms_) {
    if (h.id == id) return h;
  }
  histograms_.emplace_back().id = id;
  return histograms_.back();
}

LatencyReading ReplicaMeter::advance(Histogram& h, const HistogramReading& page, std::uint8_t rank,
                                     Instant now, const MeterOptions& o) {
  std::size_t n = page.buckets.size();
  bool same =
      h.seen && h.rank == rank && h.buckets.size() == n + 1 && now - h.last_at <= o.forget_after;
  for (std::size_t i = 0; same && i < n; ++i) same = h.buckets[i].bound == page.buckets[i].bound;
  auto show = [&](WindowedBucket& b, double value, bool reset) {
    b.current += reset ? value : value - b.last;
    b.last = value;
  };
  if (!same) {
    h.buckets.assign(n + 1, {});
    h.sum = {};
    for (std::size_t i = 0; i < n; ++i) {
      h.buckets[i].bound = page.buckets[i].bound;
      h.buckets[i].last = page.buckets[i].count;
    }
    h.buckets[n].last = page.count;
    h.sum.last = page.sum;
    h.rank = rank;
    h.seen = true;
    h.window_began = h.last_at = now;
    return {};
  }
  bool reset = page.count < h.buckets[n].last;
  if (now - h.window_began >= o.window) {
    for (WindowedBucket& b : h.buckets) b.previous = std::exchange(b.current, 0);
    h.sum.previous = std::exchange(h.sum.current, 0);
    h.window_began = now;
  }
  for (std::size_t i = 0; i < n; ++i) show(h.buckets[i], page.buckets[i].count, reset);
  show(h.buckets[n], page.count, reset);
  show(h.sum, page.sum, reset);
  h.last_at = now;

  std::array<Bucket, HistogramReading::kMaxBuckets> grown;
  for (std::size_t i = 0; i < n; ++i) {
    grown[i] = {h.buckets[i].bound, h.buckets[i].current + h.buckets[i].previous};
  }
  LatencyReading out;
  double count = h.buckets[n].current + h.buckets[n].previous;
  if (count <= 0 || n == 0) return out;
  std::span<const Bucket> span(grown.data(), n);
  out.count = count;
  out.mean_seconds = (h.sum.current + h.sum.previous) / count;
  out.p50_seconds = histogram_quantile(span, count, 0.50);
  out.p90_seconds = histogram_quantile(span, count, 0.90);
  out.p99_seconds = histogram_quantile(span, count, 0.99);
  return out;
}

ReplicaSignals ReplicaMeter::read(const Page& page, Instant now, const MeterOptions& options) {
  ReplicaSignals s;
  s.dialect = page.dialect().id;
  s.at = now;
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    auto id = static_cast<SignalId>(i);
    s.values[i] = page.value(id);
    if (s.has(id) && !plausible(id, s.values[i])) disbelieve(s, id, s.values[i]);
    if (i >= kGaugeCount && s.has(id)) {
      double& rate = s.rates[i - kGaugeCount];
      rate = advance(counters_[i - kGaugeCount], s.values[i], page.rank(id), now, options);
      if (rate == rate && !plausible_rate(rate)) disbelieve(s, id, std::exchange(rate, kNan));
    }
  }
  for (std::size_t i = 0; i < kHistogramCount; ++i) {
    auto id = static_cast<SignalId>(index_of(SignalId::kTtft) + i);
    const HistogramReading& reading = page.histogram(id);
    if (options.histograms.has(id) && reading.seen) {
      s.latencies[i] = advance(histogram(id), reading, page.rank(id), now, options);
    }
  }
  if (page.has_text(SignalId::kLoraRunning)) s.lora_running = page.text(SignalId::kLoraRunning);
  if (page.has_text(SignalId::kLoraWaiting)) s.lora_waiting = page.text(SignalId::kLoraWaiting);
  derive(s);
  s.kv_usage_peak = kv_usage_.note(s.value(SignalId::kKvUsage), now);
  double aside =
      s.has(SignalId::kWaitingAsideRequests) ? s.value(SignalId::kWaitingAsideRequests) : 0;
  s.waiting_peak = waiting_.note(s.value(SignalId::kWaitingRequests) + aside, now);
  return s;
}

}  // namespace tidegate::signal
