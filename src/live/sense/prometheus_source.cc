#include "live/sense/prometheus_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/rng.h"
#include "live/net/log.h"
#include "live/sense/scrape_schedule.h"

namespace tidegate::live {
namespace {

std::string seconds_text(Duration d) {
  return std::to_string((d + millis(500)) / seconds(1)) + " s";
}

}  // namespace

bool PrometheusSource::wanted(const spec::Model& model) {
  if (!model.prometheus) return false;
  const auto& metrics = model.scaling.metrics;
  return std::any_of(metrics.begin(), metrics.end(),
                     [](const auto& metric) { return !metric.promql.empty(); }) ||
         std::any_of(model.variants.begin(), model.variants.end(), [](const auto& variant) {
           return variant.sense.from == spec::SenseFrom::kPrometheus;
         });
}

PrometheusSource::PrometheusSource(net::Loop& loop, net::CurlClient& client,
                                   const net::WorldClock& clock, const spec::Model& model,
                                   PrometheusOptions options, Heard heard)
    : loop_(loop),
      clock_(clock),
      client_(client, *model.prometheus),
      model_(model),
      options_(options),
      heard_(std::move(heard)),
      wall_interval_(std::max(clock.to_wall(model.prometheus->interval), kMinWallInterval)),
      rule_{model.prometheus->max_age, model.prometheus->max_age} {
  options_.rate_window = std::max(options_.rate_window, clock.to_world(wall_interval_) * 3);
  auto question = [&](std::string what, std::size_t index) -> Question& {
    Question& added = *questions_.emplace_back(std::make_unique<Question>());
    added.what = std::move(what);
    added.index = index;
    added.trouble = "not asked yet";
    return added;
  };
  for (std::size_t i = 0; i < model_.scaling.metrics.size(); ++i) {
    const std::string& promql = model_.scaling.metrics[i].promql;
    if (promql.empty()) continue;
    Question& added = question("scaling.metrics[" + std::to_string(i) + "]", i);
    added.promql = promql;
    const auto selectors = format::promql_selectors(promql);
    if (!selectors.empty()) added.age = format::promql_oldest(selectors);
  }
  for (std::size_t v = 0; v < model_.variants.size(); ++v) {
    const spec::Variant& variant = model_.variants[v];
    if (variant.sense.from != spec::SenseFrom::kPrometheus) continue;
    const auto& dialect = signal::dialect(signal::dialect_of(variant.engine.type));
    const auto reader = readers_.try_emplace(v, dialect, signal::HistogramSet()).first;
    Question& added = question("variant " + variant.name, v);
    added.of_engines = true;
    // Prometheus's clock is not scaled: the range is wall time.
    added.promql = format::promql_page(reader->second, variant.sense.selector,
                                       std::max(clock.to_wall(rule_.absent_after), seconds(1)));
  }
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    Rng name(options_.seed, model_.name);  // models that start together do not ask together
    questions_[i]->due = loop_.now() + scrape_phase(name.below(~0ULL), ReplicaId(i + 1),
                                                    std::min(wall_interval_, seconds(1)));
    arm(*questions_[i]);
  }
}

PrometheusSource::~PrometheusSource() {
  for (auto& question : questions_) {
    client_.cancel(question->call);
    loop_.cancel(question->timer);
  }
}

void PrometheusSource::add(PrometheusReplica replica) {
  const ReplicaId id = replica.id;
  replicas_[id] = {};
  replicas_[id].what = std::move(replica);
}

void PrometheusSource::remove(ReplicaId id) { replicas_.erase(id); }

// ---- questions ----

void PrometheusSource::arm(Question& question) {
  question.timer = loop_.at(question.due, [this, &question] {
    question.timer = net::Loop::TimerId::kNone;
    ask(question);
  });
}

void PrometheusSource::ask(Question& question) {
  ++asked_;
  question.call =
      client_.ask(question.promql, [this, &question](Result<PrometheusClient::Reply> reply) {
        question.call = PrometheusClient::CallId::kNone;
        if (!reply) return finished(question, fail(reply.error()));
        if (reply->clock_ahead) correct_clock(*reply->clock_ahead);
        if (question.of_engines) return finished(question, read_engines(question, *reply));
        auto number = one_number(reply->answer);
        if (!number) {  // an answer, and it says nothing: what was known is known no more
          question.value.reset();
          question.trouble = number.error().message;
          return finished(question, {});
        }
        if (!question.age.empty()) return ask_age(question, *number);
        question.value = *number;
        question.at = clock_.now();
        question.trouble.clear();
        finished(question, {});
      });
}

/// The value rests on samples: those of the oldest series say how old it is.
void PrometheusSource::ask_age(Question& question, double value) {
  ++asked_;
  question.call =
      client_.ask(question.age, [this, &question, value](Result<PrometheusClient::Reply> reply) {
        question.call = PrometheusClient::CallId::kNone;
        if (!reply) return finished(question, fail(reply.error().within("age of its samples")));
        auto stamp = one_number(reply->answer);
        if (!stamp) {
          question.value.reset();
          question.trouble = "no series it rests on has a sample of late";
          return finished(question, {});
        }
        question.value = value;
        question.at = world(WallTime::from_unix_nanos(static_cast<std::int64_t>(*stamp * 1e9)));
        question.trouble.clear();
        finished(question, {});
      });
}

void PrometheusSource::finished(Question& question, Result<void> result) {
  if (result) {
    question.failures = 0;
    question.due = next_on_grid(question.due, loop_.now(), wall_interval_);
  } else {
    ++failed_;
    ++question.failures;
    question.trouble = result.error().message;
    question.due = loop_.now() + scrape_backoff(options_.seed, ReplicaId(question.index + 1),
                                                question.failures, wall_interval_,
                                                std::max(kMaxPause, wall_interval_));
  }
  // That a new replica is not scraped yet is in the nature of things; the rest is told, once.
  const bool bad = !question.trouble.empty() && (!question.of_engines || !result);
  if (bad != question.told) {
    question.told = bad;
    net::log(bad ? net::Level::kWarn : net::Level::kInfo,
             bad ? "Prometheus was asked in vain" : "Prometheus answers again",
             {{"model", model_.name}, {"what", question.what}, {"why", question.trouble}});
  }
  arm(question);
}

Result<double> PrometheusSource::one_number(const format::PromqlAnswer& answer) const {
  using Kind = format::PromqlAnswer::Kind;
  if (answer.kind() == Kind::kMatrix || answer.kind() == Kind::kString) {
    return fail("the query gives a range or a text, not a number; write sum(rate(...[1m]))");
  }
  if (answer.size() == 0) return fail("the query finds no series: unknown, not zero");
  if (answer.size() > 1) {
    return fail("the query gives " + std::to_string(answer.size()) +
                " series, and one number is wanted; write sum(...)");
  }
  format::SampleLine line;
  if (!answer.read(0, line)) return fail("the query gives a histogram, not a number");
  if (!std::isfinite(line.value)) {
    return fail(std::isnan(line.value) ? "the query gives NaN" : "the query gives an infinity");
  }
  return line.value;
}

// ---- time ----

void PrometheusSource::correct_clock(Duration ahead) {
  // Its Date is cut to seconds: smaller changes are not one.
  const Duration change = ahead > clock_ahead_ ? ahead - clock_ahead_ : clock_ahead_ - ahead;
  if (change <= kClockTolerance) return;
  net::log(net::Level::kWarn, "Prometheus's clock is not ours: ages are corrected for it",
           {{"model", model_.name}, {"aheadSeconds", std::to_string(to_seconds(ahead))}});
  clock_ahead_ = ahead;
}

Instant PrometheusSource::world(WallTime sample) const {
  const Duration age = net::WorldClock::wall_now() + clock_ahead_ - sample;
  return clock_.now() - clock_.to_world(std::max(age, Duration(0)));
}

// ---- views ----

std::vector<signal::Signal> PrometheusSource::metrics(Instant now) const {
  std::vector<signal::Signal> out(model_.scaling.metrics.size());
  for (const auto& question : questions_) {
    if (question->of_engines || !question->value) continue;
    const signal::Freshness freshness = rule_.of(question->at, now);
    if (freshness == signal::Freshness::kAbsent) continue;
    out[question->index] = {*question->value, question->at, signal::Source::kPrometheus, freshness,
                            1};
  }
  return out;
}

const signal::ReplicaSignals* PrometheusSource::signals(ReplicaId id, Instant now) const {
  auto it = replicas_.find(id);
  if (it == replicas_.end() || !it->second.last) return nullptr;
  const signal::ReplicaSignals& last = *it->second.last;
  return rule_.of(last.at, now) == signal::Freshness::kAbsent ? nullptr : &last;
}

std::vector<PrometheusSource::Trouble> PrometheusSource::troubles(Instant now) const {
  std::vector<Trouble> out;
  for (const auto& question : questions_) {
    std::string why = question->trouble;
    if (question->value && rule_.of(question->at, now) == signal::Freshness::kAbsent) {
      why =
          fmt::format("its samples are {} old, maxAge is {}{}{}", seconds_text(now - question->at),
                      seconds_text(rule_.absent_after), why.empty() ? "" : "; ", why);
    }
    if (!why.empty()) out.push_back({question->what, std::move(why)});
  }
  return out;
}

}  // namespace tidegate::live
