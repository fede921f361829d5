#pragma once
// PrometheusSource: what one model asks of its Prometheus: the numbers of scaling.metrics[].promql,
// and the engines' signals of variants with sense.from: prometheus.
//
//   PrometheusSource source(loop, curl, clock, model, {.seed = 1}, [](ReplicaId id, const auto& s) {});
//   source.add({.id = id, .variant = 0, .address = address, .name = "pod-0"});
//   observation.metrics = source.metrics(now);
//   if (auto* s = source.signals(id, now)) use(*s);
//
// A value carries when it was scraped, not when it was asked for: a metric's age is that of the
// oldest series under its selectors; a replica's page is the newest sample of each series, read by
// the same dialect tables as a page that is scraped directly. Samples older than maxAge are not
// known any more. No series is absent, not zero; so is NaN or an infinity. A question that fails
// leaves what was known to age, is asked again after a pause that doubles up to kMaxPause (or the
// interval, where that is longer), and troubles() says why. Clocks: a server more than
// kClockTolerance ahead or behind (by its Date header) is corrected for.
// Each question is under way at most once; there are at most 16 metrics and 32 variants. Units:
// interval and maxAge are world time (but no question more often than kMinWallInterval); timeout
// and pauses are wall time. Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/signal/replica_signals.h"
#include "core/spec/model.h"
#include "live/net/clock.h"
#include "live/net/loop.h"
#include "live/sense/prometheus_client.h"

namespace tidegate::live {

struct PrometheusReplica {
  ReplicaId id;
  std::size_t variant = 0;  ///< index in the spec
  net::Address address;
  std::string name;  ///< of its pod; empty: none
};

struct PrometheusOptions {
  std::uint64_t seed = 1;              ///< of phases and pauses
  Duration rate_window = seconds(10);  ///< world time; at least three intervals are taken
};

class PrometheusSource {
 public:
  static constexpr Duration kMinWallInterval = millis(100);
  static constexpr Duration kMaxPause = seconds(15);
  static constexpr Duration kClockTolerance = seconds(2);
  /// A replica's page was read; valid until the next.
  using Heard = std::function<void(ReplicaId, const signal::ReplicaSignals&)>;
  struct Trouble {
    std::string what;  ///< "scaling.metrics[0]", "variant a"
    std::string why;
  };

  /// Starts to ask. `model.prometheus` is there.
  PrometheusSource(net::Loop& loop, net::CurlClient& client, const net::WorldClock& clock,
                   const spec::Model& model, PrometheusOptions options, Heard heard);
  ~PrometheusSource();
  PrometheusSource(const PrometheusSource&) = delete;
  PrometheusSource& operator=(const PrometheusSource&) = delete;

  /// Whether a model has anything to ask.
  static bool wanted(const spec::Model& model);
  /// A replica of a variant that is sensed from here; one of the same id is replaced.
  void add(PrometheusReplica replica);
  void remove(ReplicaId id);
  /// As many as scaling.metrics; those that are no PromQL, or not known, are absent.
  std::vector<signal::Signal> metrics(Instant now) const;
  const signal::ReplicaSignals* signals(ReplicaId id, Instant now) const;
  const signal::FreshnessRule& rule() const { return rule_; }
  /// What is not known, and why; in the order of the spec.
  std::vector<Trouble> troubles(Instant now) const;
  std::int64_t asked() const { return asked_; }
  std::int64_t failed() const { return failed_; }

 private:
  struct Question {
    std::string what;
    std::string promql;
    std::string age;  ///< metrics: when the oldest series was scraped; empty: it rests on none
    std::size_t index = 0;  ///< of the metric or variant
    bool of_engines = false;
    Instant due;
    int failures = 0;
    PrometheusClient::CallId call = PrometheusClient::CallId::kNone;
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
    bool told = false;    ///< the log knows of the trouble
    std::string trouble;  ///< why the last answer gave nothing; empty: it did
    std::optional<double> value;
    Instant at;  ///< of value
  };
  struct Replica {
    PrometheusReplica what;
    signal::ReplicaMeter meter;
    std::optional<signal::ReplicaSignals> last;
    WallTime newest;  ///< of the samples read last
  };
  struct Row;

  void arm(Question& question);
  void ask(Question& question);
  void ask_age(Question& question, double value);
  void finished(Question& question, Result<void> result);
  Result<double> one_number(const format::PromqlAnswer& answer) const;
  Result<void> read_engines(Question& question, const PrometheusClient::Reply& reply);
  std::vector<Row> rows_of(std::size_t variant, const format::PromqlAnswer& answer) const;
  void read_replica(Replica& replica, const format::PageReader& reader,
                    const format::PromqlAnswer& answer, std::vector<Row> rows);
  void correct_clock(Duration ahead);
  Instant world(WallTime sample) const;

  net::Loop& loop_;
  const net::WorldClock& clock_;
  PrometheusClient client_;
  spec::Model model_;
  PrometheusOptions options_;
  Heard heard_;
  Duration wall_interval_;
  signal::FreshnessRule rule_;
  Duration clock_ahead_{0};
  std::vector<std::unique_ptr<Question>> questions_;
  std::map<std::size_t, format::PageReader> readers_;  ///< by variant
  std::map<ReplicaId, Replica> replicas_;
  std::int64_t asked_ = 0, failed_ = 0;
};

}  // namespace tidegate::live
