#pragma once
// Senses: one model's eyes on its engines: their own pages, or what a Prometheus has of them, as
// each variant's spec says; the numbers of scaling.metrics that are written in PromQL; and the
// queue of another front (front.queueMetrics).
//
//   Senses senses({loop, scraper, outside, clock, seed}, {.scraped = ..., .sampled = ...});
//   senses.set_model(model);
//   senses.add(info, variant);                  // a replica is ready
//   sight.signals = senses.signals(id, now);
//   senses.tell_metrics(observation, now);
//
// Replicas sensed through Prometheus do not correct the router: samples that are seconds old say
// nothing of what it has dispatched since. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/signal/observation.h"
#include "live/actuate/actuator.h"
#include "live/sense/prometheus_source.h"
#include "live/sense/scraper.h"

namespace tidegate::live {

struct SenseParts {
  net::Loop& loop;
  Scraper& scraper;
  net::CurlClient& outside;
  const net::WorldClock& clock;
  std::uint64_t seed = 1;
};

struct SenseHooks {
  using Heard = std::function<void(ReplicaId, const signal::ReplicaSignals&)>;
  Heard scraped;  ///< an engine's own page was read
  Heard sampled;  ///< of one replica, through Prometheus
};

class Senses {
 public:
  Senses(SenseParts parts, SenseHooks hooks);
  ~Senses();

  /// A spec that asks Prometheus for something else starts anew; what is known of the rest stays.
  void set_model(const spec::Model& model);
  /// Ready: measured from now on, as its variant says.
  void add(const ReplicaInfo& info, const spec::Variant& variant);
  void remove(ReplicaId id);
  /// nullptr: not known, or too old to be.
  const signal::ReplicaSignals* signals(ReplicaId id, Instant now) const;
  /// How signals age, one for each variant; the more replicas are scraped, the slower.
  std::vector<signal::FreshnessRule> rules() const;
  void tell_metrics(signal::Observation& seen, Instant now) const;
  /// Why the page of the queue in front was not read the last time; empty: it was, or there is
  /// none.
  const std::string& front_trouble() const { return front_trouble_; }
  /// nullptr: nothing is asked of a Prometheus.
  const PrometheusSource* prometheus() const { return prometheus_.get(); }

 private:
  void add_to_source(const ReplicaInfo& info);
  void look_at_front();

  SenseParts parts_;
  SenseHooks hooks_;
  spec::Model model_;
  std::unique_ptr<PrometheusSource> prometheus_;
  std::map<ReplicaId, ReplicaInfo> known_;  ///< ready replicas
  ReplicaId front_;                         ///< of the scraper
  spec::InFront looked_at_;
  std::string front_trouble_;
};

}  // namespace tidegate::live
