#include "sim/search/contest.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "sim/search/parallel.h"

namespace tidegate::sim {
namespace {

constexpr Duration kLeastSlot = seconds(5);
constexpr std::int64_t kSlots = 512;
/// Instant 0 of a World on the calendar (sim/world.h): a Monday, 00:00 UTC.
constexpr WallTime kBeginning = WallTime::from_unix_nanos(1'704'067'200'000'000'000);

std::vector<double> weights_of(const spec::Model& model) {
  std::vector<double> devices, dollars;
  for (const spec::Variant& variant : model.variants) {
    devices.push_back(static_cast<double>(variant.hardware.count));
    dollars.push_back(variant.cost_per_hour_dollars);
  }
  auto all_zero = [](const std::vector<double>& of) {
    return std::all_of(of.begin(), of.end(), [](double w) { return w == 0; });
  };
  if (!all_zero(devices)) return devices;
  if (!all_zero(dollars)) return dollars;
  return std::vector<double>(model.variants.size(), 1);
}

auto price(const Totals& t) {
  return std::tuple(t.gpu_hours, t.cost_dollars, t.replica_hours, -t.score.met);
}

}  // namespace

Contest::Contest(const OracleOptions& options, const Arrivals& arrivals)
    : options_(options),
      arrivals_(arrivals),
      slot_(options.slot > Duration(0)
                ? options.slot
                : std::max(kLeastSlot, seconds(arrivals.last() / seconds(kSlots)))),
      weights_(weights_of(options.world.model)) {
  // The very comparison of reaches(), so that a run is given up only if it would fail it.
  auto n = static_cast<double>(arrivals.count());
  while (allowed_ < arrivals.count() &&
         static_cast<double>(arrivals.count() - allowed_ - 1) / n >= options.attainment) {
    ++allowed_;
  }
  // Cron lines know no less than a minute.
  for (Duration at{0}; at <= end(); at += seconds(60)) {
    auto bounds = plan::bounds_at(model(), kBeginning + at);
    if (!windows_.empty() && windows_.back().bounds == bounds) continue;
    if (!windows_.empty()) windows_.back().span.until = at;
    windows_.push_back({{at, Duration::max()}, std::move(bounds)});
    if (model().scaling.schedule.empty()) break;
  }
}

bool Contest::reaches(const Totals& totals) const {
  return totals.score.attainment() >= options_.attainment;
}

std::optional<bool> Contest::reached(const Timeline& line) const {
  auto found = tried_.find(line.hash());
  return found == tried_.end() ? std::nullopt : std::optional(found->second);
}

bool Contest::better(const Totals& a, const Totals& b) const {
  bool first = reaches(a), second = reaches(b);
  if (first != second) return first;
  if (!first && a.score.met != b.score.met) return a.score.met > b.score.met;
  return price(a) < price(b);
}

bool Contest::spent() const {
  return cut_ || (best_.simulated >= options_.budget &&
                  best_.evaluations >= OracleOptions::kLeastEvaluations);
}

Duration Contest::end() const { return std::max(options_.end - Instant(), arrivals_.last()); }

Timeline Contest::fitted(Timeline line) const {
  for (const Window& window : windows_) {
    for (std::size_t v = 0; v < window.bounds.size(); ++v) {
      line.clamp(v, window.span, window.bounds[v]);
    }
  }
  return line;
}

void Contest::enter(const OracleCandidate& candidate) {
  if (any_ && !better(candidate.totals, best_.totals)) return;
  any_ = true;
  ++improvements_;
  best_.reached = reaches(candidate.totals);
  best_.schedule = candidate.schedule;
  best_.totals = candidate.totals;
  best_.end = options_.end;
  best_.found_by = candidate.name;
}

void Contest::keep(const Timeline& line, const Played& played, const std::string& name) {
  if (!base_ || better(played.totals, base_->totals)) {
    base_ = Base{line, reaches(played.totals), played.totals, played.misses};
  }
  if (any_ && !better(played.totals, best_.totals)) return;
  any_ = true;
  ++improvements_;
  best_.reached = reaches(played.totals);
  best_.schedule = line.schedule();
  best_.totals = played.totals;
  best_.end = played.end;
  best_.found_by = name;
}

Result<std::vector<Played>> Contest::play(const std::vector<Timeline>& lines, Need need,
                                          const std::vector<std::string>& names) {
  std::vector<Played> out(lines.size());
  std::vector<std::size_t> chosen;
  // As many as the budget has, each at its dearest: known before any is played.
  std::int64_t each = arrivals_.count() + end() / seconds(1), committed = best_.simulated;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto so_far = best_.evaluations + static_cast<std::int64_t>(chosen.size());
    if (committed >= options_.budget && so_far >= OracleOptions::kLeastEvaluations) {
      cut_ = true;
      break;
    }
    bool fresh = tried_.emplace(lines[i].hash(), false).second;
    if (!fresh && need == Need::kBest) continue;
    committed += each;
    chosen.push_back(i);
  }
  Watch watch{.end = options_.end, .bucket = slot_};
  if (need == Need::kBest && any_ && best_.reached) watch.most_misses = allowed_;
  std::vector<std::optional<Error>> errors(lines.size());
  for_each_index(chosen.size(), options_.threads, [&](std::size_t k) {
    std::size_t i = chosen[k];
    WorldOptions world = options_.world;
    world.schedule = lines[i].schedule();
    world.supply = nullptr;  // its own: runs must not feel each other
    auto played = sim::play(std::move(world), arrivals_, watch);
    if (played) out[i] = std::move(*played);
    if (!played) errors[i] = played.error();
  });
  for (std::size_t i : chosen) {
    if (errors[i]) return fail(*errors[i]);
    ++best_.evaluations;
    best_.simulated += out[i].work;
    if (!out[i].whole) continue;
    tried_[lines[i].hash()] = reaches(out[i].totals);
    keep(lines[i], out[i], names[std::min(i, names.size() - 1)]);
  }
  if (options_.progress) {
    options_.progress(
        std::min(1.0, static_cast<double>(best_.simulated) / static_cast<double>(options_.budget)));
  }
  return out;
}

}  // namespace tidegate::sim
