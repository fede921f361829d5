#include "sim/search/tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include "core/policy/mix.h"
#include "core/policy/policy.h"
#include "sim/search/asked.h"
#include "sim/search/parallel.h"
#include "sim/search/trial.h"

namespace tidegate::sim {
namespace {

constexpr std::size_t kFirstStep = 4;    // values
constexpr std::size_t kFirstFloors = 4;  // parts the values of minReplicas are cut into

Outcome outcome_of(const Totals& t) {
  return {.requests = t.score.requests,
          .met = t.score.met,
          .gpu_hours = t.gpu_hours,
          .replica_hours = t.replica_hours,
          .cost_dollars = t.cost_dollars,
          .ttft_p99_seconds = t.score.ttft.quantile(0.99),
          .replicas_peak = t.replicas_peak};
}

bool better(const Outcome& a, const Outcome& b, double attainment) {
  bool first = a.attainment() >= attainment, second = b.attainment() >= attainment;
  if (first != second) return first;
  if (!first && a.met != b.met) return a.met > b.met;
  auto price = [](const Outcome& o) {
    return std::tuple(o.cost_dollars, o.gpu_hours, o.replica_hours, -o.met);
  };
  return price(a) < price(b);
}

/// The two parts of the trace.
struct Parts {
  Arrivals train, test;
  Duration train_length{0}, test_length{0};
};

Result<Parts> parts_of(const TuneOptions& options) {
  auto whole = Arrivals::read(options.open, 0);
  if (!whole) return fail(whole.error());
  Duration split = seconds_f(to_seconds(whole->last()) * options.train);
  auto train = Arrivals::read(part_of(options.open, Duration(0), split));
  auto test = Arrivals::read(part_of(options.open, split, Duration::max()));
  if (!train || !test) {
    return fail(fmt::format("tune: no request in the {} part of the trace (--train {:g})",
                            train ? "second" : "first", options.train));
  }
  return Parts{std::move(*train), std::move(*test), split, whole->last() - split};
}

class Tuning {
 public:
  Tuning(const TuneOptions& options, Parts parts) : options_(options), parts_(std::move(parts)) {}

  /// Nothing: stopped.
  Result<std::optional<Tuned>> tune(const TunePolicy& asked, TuneProgress at);

 private:
  struct Run {
    spec::Model model;
    std::string name;
    Part part = Part::kTrain;
  };
  /// Empty: stopped.
  Result<std::vector<Outcome>> play(const std::vector<Run>& runs);
  Result<Outcome> play_one(const Run& run) const;

  // ---- one policy's search ----
  struct Search {
    spec::Model model;
    std::vector<Knob> knobs;
    std::map<Point, Outcome> done;
    Point best;
    TuneProgress at;
  };
  /// False: stopped. Plays those that are new, as many as may be.
  Result<bool> visit(Search& search, const std::vector<Point>& points);
  Result<bool> search_grid(Search& search);
  Result<bool> search_steps(Search& search);
  Run run_of(const Search& search, const Point& point, Part part) const;

  const TuneOptions& options_;
  Parts parts_;
};

Result<Outcome> Tuning::play_one(const Run& run) const {
  const Arrivals& arrivals = run.part == Part::kTrain ? parts_.train : parts_.test;
  WorldOptions world;
  world.model = run.model;
  const spec::Scaling& scaling = run.model.scaling;
  const bool fixed = scaling.policy == spec::PolicyKind::kStatic && scaling.policy_knob;
  // A fixed fleet has nothing to wait for: it starts as it stays.
  world.initial = fixed ? policy::split(run.model, policy::whole_replicas(*scaling.policy_knob))
                        : size_fleet(run.model, arrivals.first_minute());
  world.seed = options_.seed;
  world.prefix_block_tokens = options_.prefix_block_tokens;
  world.faults = options_.faults;
  world.front = options_.front;
  world.output_limit = options_.output_limit;
  Duration end = run.part == Part::kTrain ? parts_.train_length : parts_.test_length;
  auto played =
      sim::play(std::move(world), arrivals, {.end = Instant() + end, .stop = options_.stop});
  if (!played) return fail(played.error());
  if (!played->whole) return fail("stopped");
  return outcome_of(played->totals);
}

Result<std::vector<Outcome>> Tuning::play(const std::vector<Run>& runs) {
  std::vector<std::optional<Outcome>> done(runs.size());
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (options_.known) done[i] = options_.known(runs[i].name);
    if (!done[i]) fresh.push_back(i);
  }
  std::vector<std::optional<Error>> errors(runs.size());
  std::mutex telling;
  auto stopped = [&] { return options_.stop && options_.stop(); };
  for_each_index(fresh.size(), options_.threads, [&](std::size_t k) {
    if (stopped()) return;
    std::size_t i = fresh[k];
    auto outcome = play_one(runs[i]);
    if (!outcome) {
      errors[i] = outcome.error();
      return;
    }
    done[i] = *outcome;
    std::lock_guard lock(telling);
    if (options_.finished) options_.finished(runs[i].name, *outcome);
  });
  if (stopped()) return std::vector<Outcome>{};
  std::vector<Outcome> out;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (errors[i]) return fail(*errors[i]);
    out.push_back(*done[i]);
  }
  return out;
}

Tuning::Run Tuning::run_of(const Search& search, const Point& point, Part part) const {
  return {with(search.model, search.knobs, point),
          fmt::format("{} {}", part == Part::kTrain ? "train" : "test",
                      text(search.model, search.knobs, point)),
          part};
}

Result<bool> Tuning::visit(Search& search, const std::vector<Point>& points) {
  std::vector<Run> runs;
  std::vector<Point> fresh;
  for (const Point& point : points) {
    auto so_far = search.done.size() + fresh.size();
    if (so_far >= static_cast<std::size_t>(options_.most_runs)) break;
    if (search.done.contains(point)) continue;
    if (std::find(fresh.begin(), fresh.end(), point) != fresh.end()) continue;
    fresh.push_back(point);
    runs.push_back(run_of(search, point, Part::kTrain));
  }
  if (runs.empty()) return true;
  auto outcomes = play(runs);
  if (!outcomes) return fail(outcomes.error());
  if (outcomes->empty()) return false;
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    search.done.emplace(fresh[i], (*outcomes)[i]);
    if (search.best.empty() ||
        better((*outcomes)[i], search.done.at(search.best), options_.attainment)) {
      search.best = fresh[i];
    }
  }
  search.at.runs = static_cast<std::int64_t>(search.done.size());
  if (options_.progress) options_.progress(search.at);
  return true;
}

/// Every fourth value of the main knob with each of a few floors, the rest as it is.
Result<bool> Tuning::search_grid(Search& search) {
  const Point from = untuned(search.knobs);
  std::vector<Point> points = {from};
  std::size_t main = 0, floor = search.knobs.size() - 1;
  std::vector<std::size_t> floors = {from[floor]};
  if (search.knobs[floor].kind == KnobKind::kMinReplicas) {
    std::size_t last = search.knobs[floor].values.size() - 1;
    for (std::size_t i = 1; i <= kFirstFloors; ++i) {
      std::size_t at = last * i / kFirstFloors;
      if (at > floors.back()) floors.push_back(at);
    }
  }
  // At most half of the runs: few runs make it coarser, not one-sided.
  const std::size_t values = search.knobs[main].values.size();
  std::size_t step = kFirstStep;
  auto runs = [&] { return floors.size() * ((values + step - 1) / step); };
  while (step < values && 2 * runs() > static_cast<std::size_t>(options_.most_runs)) step *= 2;
  for (std::size_t at : floors) {
    for (std::size_t i = 0; i < values; i += step) {
      Point point = from;
      point[main] = i;
      if (main != floor) point[floor] = at;
      points.push_back(std::move(point));
    }
  }
  return visit(search, points);
}

/// Compass search: each knob up and down by the step, as long as something gets better.
Result<bool> Tuning::search_steps(Search& search) {
  for (std::size_t step = kFirstStep; step > 0; step /= 2) {
    for (;;) {
      const Point from = search.best;
      std::vector<Point> points;
      for (std::size_t k = 0; k < search.knobs.size(); ++k) {
        std::size_t last = search.knobs[k].values.size() - 1;
        Point point = from;
        point[k] = std::min(last, from[k] + step);
        points.push_back(point);
        point[k] = from[k] - std::min(from[k], step);
        points.push_back(point);
      }
      auto going = visit(search, points);
      if (!going || !*going) return going;
      if (search.best == from) break;
    }
  }
  return true;
}

Result<std::optional<Tuned>> Tuning::tune(const TunePolicy& asked, TuneProgress at) {
  Search search{.model = under_policy(options_.model, asked.choice), .at = at};
  search.knobs = knobs_of(search.model);
  auto going = search_grid(search);
  if (going && *going) going = search_steps(search);
  if (!going) return fail(going.error());
  if (!*going) return std::optional<Tuned>{};
  const Point from = untuned(search.knobs);
  auto tests = play({run_of(search, from, Part::kTest), run_of(search, search.best, Part::kTest)});
  if (!tests) return fail(tests.error());
  if (tests->empty()) return std::optional<Tuned>{};
  return Tuned{.policy = asked.text,
               .knobs = search.knobs,
               .point = search.best,
               .text = text(search.model, search.knobs, search.best),
               .yaml = yaml(search.model, search.knobs, search.best),
               .reached = search.done.at(search.best).attainment() >= options_.attainment,
               .untuned = {search.done.at(from), (*tests)[0]},
               .tuned = {search.done.at(search.best), (*tests)[1]},
               .runs = static_cast<std::int64_t>(search.done.size())};
}

Result<void> check(const TuneOptions& options) {
  if (!(options.attainment > 0 && options.attainment <= 1)) {
    return fail(
        fmt::format("--attainment {:g}: must be above 0 and at most 1", options.attainment));
  }
  if (!(options.train > 0 && options.train < 1)) {
    return fail(fmt::format("--train {:g}: must be between 0 and 1", options.train));
  }
  for (const TunePolicy& asked : options.policies) {
    if (policy::is_built(asked.choice.policy)) continue;
    return fail(
        fmt::format("policy {} cannot be tuned: it has no knobs to search; `tidegate simulate` "
                    "plays it",
                    asked.text));
  }
  return {};
}

}  // namespace

Result<TuneResult> tune(const TuneOptions& options) {
  if (auto good = check(options); !good) return fail(good.error());
  auto parts = parts_of(options);
  if (!parts) return fail(parts.error());
  TuneResult out{.train = parts->train_length, .test = parts->test_length};
  std::vector<TunePolicy> all = options.policies;
  if (std::none_of(all.begin(), all.end(), [](const TunePolicy& asked) {
        return asked.choice.policy == spec::PolicyKind::kStatic;
      })) {
    all.push_back({"static", {spec::PolicyKind::kStatic, std::nullopt}});
  }
  out.asked = options.policies.size();
  Tuning tuning(options, std::move(*parts));
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto tuned =
        tuning.tune(all[i], {.policy = i, .policies = all.size(), .most_runs = options.most_runs});
    if (!tuned) return fail(tuned.error());
    out.stopped = !*tuned;
    if (out.stopped) return out;
    out.policies.push_back(std::move(**tuned));
    bool leads = i < out.asked && better(out.policies[i].tuned.train,
                                         out.policies[out.best].tuned.train, options.attainment);
    if (leads) out.best = i;
  }
  return out;
}

}  // namespace tidegate::sim
