#include "live/sense/scraper.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "live/net/token_file.h"
#include "live/sense/scrape_schedule.h"

namespace tidegate::live {
namespace {

constexpr int kOk = 200;
/// Targets due within one tick start together: one wake-up for many.
constexpr Duration kTick = millis(1);
constexpr std::int64_t kStalePeriods = 3, kAbsentPeriods = 10;
/// The period falls again with a tenth fewer targets than made it grow: they are not spread anew
/// whenever one comes or goes.
constexpr double kSlack = 1.1;

}  // namespace

Scraper::Scraper(net::Loop& loop, net::HttpClient& client, const net::WorldClock& clock,
                 ScraperOptions options, Callback callback)
    : loop_(loop),
      client_(client),
      clock_(clock),
      options_(options),
      callback_(std::move(callback)),
      least_period_(std::max(clock.to_wall(options.period), kMinWallPeriod)),
      wall_period_(least_period_),
      rule_{period() * kStalePeriods, period() * kAbsentPeriods},
      page_(signal::dialect(signal::DialectId::kVllm)) {}

Scraper::~Scraper() {
  for (auto& [id, target] : targets_) stop(target);
  loop_.cancel(timer_);
}

Result<void> Scraper::add(ScrapeTarget what) {
  remove(what.id);
  if (targets_.size() >= options_.max_targets) {
    return fail("scraper: " + std::to_string(targets_.size()) +
                " targets already, the most allowed; raise max_targets");
  }
  Target& target = targets_[what.id];
  target.dialect = what.dialect;
  target.what = std::move(what);
  target.due = loop_.now() + scrape_phase(options_.seed, target.what.id, wall_period_);
  due_.emplace(target.due, target.what.id);
  pace();
  arm();
  return {};
}

void Scraper::remove(ReplicaId id) {
  auto it = targets_.find(id);
  if (it == targets_.end()) return;
  due_.erase({it->second.due, id});
  stop(it->second);
  targets_.erase(it);
  pace();
  arm();
}

Duration Scraper::period() const { return clock_.to_world(wall_period_); }

/// As many whole periods as the targets need; another number spreads them anew.
void Scraper::pace() {
  const double room = std::max(1.0, static_cast<double>(options_.max_per_second) *
                                        to_seconds(least_period_));  // in one least period
  auto periods = [&](double targets) {
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(targets / room)));
  };
  const auto count = static_cast<double>(targets_.size());
  const std::int64_t now = wall_period_ / least_period_;
  const std::int64_t wanted = std::max(periods(count), std::min(now, periods(count * kSlack)));
  if (wanted == now) return;
  wall_period_ = least_period_ * wanted;
  rule_ = {period() * kStalePeriods, period() * kAbsentPeriods};
  due_.clear();
  for (auto& [id, target] : targets_) {
    if (target.call != net::HttpClient::CallId::kNone) continue;
    target.due = loop_.now() + scrape_phase(options_.seed, id, wall_period_);
    due_.emplace(target.due, id);
  }
}

const signal::ReplicaSignals* Scraper::signals(ReplicaId id, Instant now) const {
  auto it = targets_.find(id);
  if (it == targets_.end() || !it->second.last) return nullptr;
  const signal::ReplicaSignals& last = *it->second.last;
  return rule_.of(last.at, now) == signal::Freshness::kAbsent ? nullptr : &last;
}

void Scraper::arm() {
  if (due_.empty() || under_way_ >= options_.max_concurrent) return;  // finished() pumps again
  Instant wanted = std::max(due_.begin()->first, loop_.now()) + kTick;
  if (timer_ != net::Loop::TimerId::kNone && armed_for_ <= wanted) return;
  loop_.cancel(timer_);
  armed_for_ = wanted;
  timer_ = loop_.at(wanted, [this] {
    timer_ = net::Loop::TimerId::kNone;
    pump();
  });
}

void Scraper::pump() {
  while (!due_.empty() && under_way_ < options_.max_concurrent &&
         due_.begin()->first <= loop_.now()) {
    ReplicaId id = due_.begin()->second;
    due_.erase(due_.begin());
    start(targets_.at(id));
  }
  arm();
}

void Scraper::start(Target& target) {
  const ReplicaId id = target.what.id;
  net::ClientRequest request;
  request.address = target.what.address;
  request.path = !target.what.path.empty() ? target.what.path
                 : target.dialect          ? signal::dialect(*target.dialect).metrics_path
                                           : "/metrics";
  request.headers.add("Accept", "text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5");
  target.token_trouble = net::add_bearer(target.what.token_file, request.headers);
  request.connect_timeout = options_.time_box;
  request.max_response_bytes = options_.max_page_bytes;
  ++under_way_;
  target.call = client_.fetch(std::move(request), [this, id](Result<net::Response> response) {
    finished(id, std::move(response));
  });
  target.box = loop_.after(options_.time_box, [this, id] {
    Target& late = targets_.at(id);
    client_.cancel(late.call);
    finished(id,
             fail("no whole page within " + std::to_string(options_.time_box / millis(1)) + " ms"));
  });
}

void Scraper::stop(Target& target) {
  if (target.call == net::HttpClient::CallId::kNone) return;
  client_.cancel(target.call);
  loop_.cancel(target.box);
  target.call = net::HttpClient::CallId::kNone;
  target.box = net::Loop::TimerId::kNone;
  --under_way_;
}

void Scraper::finished(ReplicaId id, Result<net::Response> response) {
  Target& target = targets_.at(id);
  loop_.cancel(target.box);
  target.call = net::HttpClient::CallId::kNone;
  target.box = net::Loop::TimerId::kNone;
  --under_way_;

  ScrapeReport report{.id = id, .at = clock_.now()};
  if (response) report.status = response->status;
  Result<format::PageStats> stats =
      response ? read(target, *response) : Result<format::PageStats>(fail(response.error()));
  if (stats) {
    report.page = *stats;
    target.last = target.meter.read(page_, report.at,
                                    {.histograms = options_.histograms,
                                     .window = std::max(options_.rate_window, rule_.stale_after)});
    report.signals = &*target.last;
    target.failures = 0;
    target.due = next_on_grid(target.due, loop_.now(), wall_period_);
  } else {
    report.error = target.what.address.text() + ": " + stats.error().message;
    if (!target.token_trouble.empty()) report.error += "; " + target.token_trouble;
    ++target.failures;
    target.due = loop_.now() + scrape_backoff(options_.seed, id, target.failures, wall_period_,
                                              options_.max_backoff);
  }
  due_.emplace(target.due, id);
  const Callback heard = target.what.heard ? target.what.heard : callback_;
  pump();
  if (heard) heard(report);  // last: it may add and remove
}

Result<format::PageStats> Scraper::read(Target& target, const net::Response& response) {
  if (response.status != kOk) {
    return fail("HTTP " + std::to_string(response.status) + " instead of a metrics page");
  }
  if (!target.dialect) target.dialect = format::detect_dialect(response.body);
  format::PageStats stats;
  if (target.dialect) {
    stats =
        reader(*target.dialect)
            .read(response.body, format::text_format(response.headers.get("Content-Type")), page_);
    if (!page_.empty()) return stats;
  }
  // It answers, and says nothing of what it does: what it said before is no longer true.
  target.last.reset();
  target.meter.reset();
  target.dialect = target.what.dialect;
  return fail(
      "no engine metrics we know among " + std::to_string(response.body.size()) + " bytes" +
      (stats.garbage == 0 ? "" : "; first bad line: " + std::to_string(stats.first_garbage_line)));
}

const format::PageReader& Scraper::reader(signal::DialectId id) {
  auto& slot = readers_[static_cast<std::size_t>(id)];
  if (slot == nullptr) {
    slot = std::make_unique<format::PageReader>(signal::dialect(id), options_.histograms);
  }
  return *slot;
}

}  // namespace tidegate::live
