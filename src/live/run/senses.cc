#include "live/run/senses.h"

#include <algorithm>
#include <utility>

#include "core/signal/dialect.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

constexpr int kUnauthorized = 401, kForbidden = 403;

/// Whether both would ask the same questions of the same server.
bool asks_the_same(const spec::Model& a, const spec::Model& b) {
  auto differs = [](const spec::Variant& x, const spec::Variant& y) {
    return x.name != y.name || x.sense != y.sense || x.engine.type != y.engine.type;
  };
  if (a.name != b.name || a.prometheus != b.prometheus || a.scaling.metrics != b.scaling.metrics ||
      a.variants.size() != b.variants.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.variants.size(); ++i) {
    if (differs(a.variants[i], b.variants[i])) return false;
  }
  return true;
}

}  // namespace

Senses::Senses(SenseParts parts, SenseHooks hooks)
    : parts_(parts), hooks_(std::move(hooks)), front_(parts.scraper.page_id()) {}

Senses::~Senses() {
  for (const auto& entry : known_) parts_.scraper.remove(entry.first);
  parts_.scraper.remove(front_);
}

void Senses::set_model(const spec::Model& model) {
  const bool same = asks_the_same(model_, model);
  model_ = model;
  look_at_front();
  if (!same) {
    prometheus_.reset();
    if (PrometheusSource::wanted(model)) {
      prometheus_ = std::make_unique<PrometheusSource>(
          parts_.loop, parts_.outside, parts_.clock, model, PrometheusOptions{.seed = parts_.seed},
          hooks_.sampled);
    }
    for (const auto& entry : std::exchange(known_, {})) {
      const ReplicaInfo& info = entry.second;
      auto own = std::find_if(model.variants.begin(), model.variants.end(),
                              [&](const auto& variant) { return variant.name == info.variant; });
      parts_.scraper.remove(info.id);
      if (own != model.variants.end()) add(info, *own);
    }
  }
}

void Senses::look_at_front() {
  if (looked_at_ == model_.front) return;
  looked_at_ = model_.front;
  front_trouble_.clear();
  parts_.scraper.remove(front_);
  if (looked_at_.queue_metrics.empty()) return;
  auto url = net::parse_url(looked_at_.queue_metrics);
  auto heard = [this](const ScrapeReport& report) {
    std::string trouble = report.error;
    if (report.status == kUnauthorized || report.status == kForbidden) {
      trouble += looked_at_.bearer_token_file.empty()
                     ? "; name a file with a token it takes in front.bearerTokenFile"
                     : "; may the token's account get this page?";
    }
    if (trouble.empty() && !report.signals->has(signal::SignalId::kGatewayQueueRequests)) {
      trouble = "no queue is told on the page: is flow control on?";
    }
    if (!trouble.empty() && front_trouble_.empty()) {
      net::log(net::Level::kWarn, "the queue in front cannot be read",
               {{"model", model_.name}, {"url", looked_at_.queue_metrics}, {"why", trouble}});
    }
    front_trouble_ = std::move(trouble);
  };
  auto added = !url ? Result<void>(fail(url.error()))
                    : parts_.scraper.add({.id = front_,
                                          .address = url->address,
                                          .path = url->path,
                                          .dialect = std::nullopt,
                                          .token_file = looked_at_.bearer_token_file,
                                          .heard = std::move(heard)});
  if (!added) front_trouble_ = added.error().message;
}

std::vector<signal::FreshnessRule> Senses::rules() const {
  std::vector<signal::FreshnessRule> out(model_.variants.size(), parts_.scraper.rule());
  for (std::size_t i = 0; i < out.size() && prometheus_ != nullptr; ++i) {
    if (model_.variants[i].sense.from == spec::SenseFrom::kPrometheus) out[i] = prometheus_->rule();
  }
  return out;
}

void Senses::add(const ReplicaInfo& info, const spec::Variant& variant) {
  known_[info.id] = info;
  if (variant.sense.from == spec::SenseFrom::kPrometheus) return add_to_source(info);
  if (auto added = parts_.scraper.add({.id = info.id,
                                       .address = info.address,
                                       .path = "",
                                       .dialect = signal::dialect_of(variant.engine.type),
                                       .token_file = "",
                                       .heard =
                                           [this](const ScrapeReport& report) {
                                             // What failed ages by itself.
                                             if (report.signals == nullptr) return;
                                             hooks_.scraped(report.id, *report.signals);
                                           }});
      !added) {
    net::log(net::Level::kWarn, "cannot scrape", {{"error", added.error().message}});
  }
}

void Senses::add_to_source(const ReplicaInfo& info) {
  const auto& variants = model_.variants;
  auto own = std::find_if(variants.begin(), variants.end(),
                          [&](const auto& variant) { return variant.name == info.variant; });
  if (own == variants.end() || prometheus_ == nullptr) return;
  prometheus_->add({.id = info.id,
                    .variant = static_cast<std::size_t>(own - variants.begin()),
                    .address = info.address,
                    .name = info.name});
}

void Senses::remove(ReplicaId id) {
  parts_.scraper.remove(id);
  known_.erase(id);
  if (prometheus_ != nullptr) prometheus_->remove(id);
}

const signal::ReplicaSignals* Senses::signals(ReplicaId id, Instant now) const {
  const signal::ReplicaSignals* own = parts_.scraper.signals(id, now);
  return own != nullptr || prometheus_ == nullptr ? own : prometheus_->signals(id, now);
}

void Senses::tell_metrics(signal::Observation& seen, Instant now) const {
  if (prometheus_ != nullptr) seen.metrics = prometheus_->metrics(now);
  if (const signal::ReplicaSignals* front = parts_.scraper.signals(front_, now)) {
    seen.front_waiting_requests =
        front->signal(signal::SignalId::kGatewayQueueRequests, now, parts_.scraper.rule());
  }
}

}  // namespace tidegate::live
