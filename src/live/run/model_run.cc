#include "live/run/model_run.h"

#include <algorithm>
#include <tuple>

#include "core/base/rng.h"
#include "core/control/observe.h"
#include "format/codec.h"
#include "live/net/log.h"
#include "live/run/targets.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using net::Level;

/// The controller looks this often (world time), but never more often than the loop can bear.
constexpr Duration kTick = seconds(1);
constexpr Duration kLeastWallTick = millis(10);
/// A lack of capacity is told again each retry_after, as long as it lasts.
constexpr Duration kRepeatGrace = seconds(5);
/// What ran before us is decided on once it has been seen. Where it cannot be seen for so long
/// (wall), decisions are made all the same: so status tells what is wrong.
constexpr Duration kAdoptPatience = seconds(10);
constexpr Duration kAdoptLook = millis(50);

/// Sets the flag for as long as it lives.
class Scope {
 public:
  explicit Scope(bool& flag) : flag_(flag) { flag_ = true; }
  ~Scope() { flag_ = false; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  bool& flag_;
};

}  // namespace

Result<std::unique_ptr<ModelRun>> ModelRun::create(RunParts parts, format::LoadedModel loaded) {
  auto start = parts.journal.load_start(loaded.model.name);
  if (!start) return fail(start.error().within("journal"));
  const auto& variants = loaded.model.variants;
  const bool foreign = std::all_of(variants.begin(), variants.end(), [](const auto& v) {
    return std::holds_alternative<spec::EndpointsTarget>(v.target);
  });
  // Somebody else's fleet: recommend, touch nothing.
  if (parts.options.dry_run || foreign) start->mode = spec::Mode::kObserve;
  std::unique_ptr<ModelRun> run(new ModelRun(parts, std::move(loaded), std::move(*start)));
  for (const auto& variant : run->loaded_.model.variants) {
    if (auto opened = run->open_variant(variant); !opened) {
      return fail(opened.error().within("model " + run->name()));
    }
  }
  return run;
}

ModelRun::ModelRun(RunParts parts, format::LoadedModel loaded, control::Start start)
    : parts_(parts),
      loaded_(std::move(loaded)),
      controller_(loaded_.model, loaded_.hash, start),
      start_(std::move(start)),
      senses_({parts.loop, parts.scraper, parts.outside, parts.clock, parts.options.seed},
              {.scraped = [this](auto id, const auto& page) { scraped(id, page); },
               .sampled = [this](auto id, const auto& page) { tell_kv(id, page); }}) {
  ledger_.set_model(loaded_.model);
  senses_.set_model(loaded_.model);
  for (const auto& target : start_.targets) applied_[target.variant] = target;
}

ModelRun::~ModelRun() {
  parts_.loop.cancel(tick_timer_);
  parts_.loop.cancel(wake_timer_);
}

Result<void> ModelRun::open_variant(const spec::Variant& variant) {
  auto actuator = make_actuator(parts_, loaded_.model, variant, sink());
  if (!actuator) return fail(actuator.error());
  variants_.push_back({variant, std::move(*actuator)});
  return {};
}

ActuatorSink ModelRun::sink() {
  return {.replica_changed = [this](const ReplicaInfo& info) { replica_changed(info); },
          .capacity_failed =
              [this](const control::CapacityFailed& e) {
                TargetWords& words = target_words_[e.variant];
                words.short_of = e.detail;
                words.short_until = parts_.clock.now() + e.retry_after + kRepeatGrace;
                feed(e);
              },
          .applied =
              [this](const control::Applied& e) {
                parts_.journal.outcome(name(), {.sequence = last_sequence_,
                                                .variant = e.variant,
                                                .replicas = e.replicas,
                                                .ok = e.ok != 0,
                                                .detail = e.detail,
                                                .wall = net::WorldClock::wall_now()});
                target_words_[e.variant].refused = e.ok != 0 ? "" : e.detail;
                feed(e);
              }};
}

int ModelRun::variant_index(const std::string& variant) const {
  for (std::size_t i = 0; i < variants_.size(); ++i) {
    if (variants_[i].spec.name == variant) return static_cast<int>(i);
  }
  return -1;
}

std::int32_t ModelRun::spec_index(const std::string& variant) const {
  const auto& variants = loaded_.model.variants;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    if (variants[i].name == variant) return static_cast<std::int32_t>(i);
  }
  return -1;
}

void ModelRun::begin() {
  parts_.journal.spec(loaded_.hash, loaded_.yaml);
  if (parts_.tape != nullptr) {
    parts_.tape->model(name(), loaded_.yaml, loaded_.hash, start_,
                       parts_.gateway.router_options(name()));
  }
  began_ = parts_.loop.now();
  for (auto& variant : variants_) variant.actuator->adopt();
  tick();
}

Result<void> ModelRun::reload(format::LoadedModel loaded) {
  std::vector<spec::Variant> added;
  for (const auto& variant : loaded.model.variants) {
    if (variant_index(variant.name) < 0) added.push_back(variant);
  }
  for (const auto& variant : added) {
    if (auto opened = open_variant(variant); !opened) return opened;
    variants_.back().actuator->adopt();
    began_ = parts_.loop.now();
    decided_ = false;
  }
  loaded_ = std::move(loaded);
  ledger_.set_model(loaded_.model);
  senses_.set_model(loaded_.model);
  parts_.journal.spec(loaded_.hash, loaded_.yaml);
  if (parts_.tape != nullptr) {
    parts_.tape->respec(name(), loaded_.yaml, loaded_.hash, parts_.gateway.router_options(name()));
  }
  controller_.set_model(loaded_.model, loaded_.hash);
  feed(control::SpecChanged{});
  for (auto& variant : variants_) {
    auto now = std::find_if(loaded_.model.variants.begin(), loaded_.model.variants.end(),
                            [&](const auto& v) { return v.name == variant.spec.name; });
    if (now == loaded_.model.variants.end()) {
      variant.actuator->apply({variant.spec.name, Replicas(0), {}});  // it left the spec
    } else {
      variant.spec = *now;
      variant.actuator->reload(loaded_.model, *now);
    }
  }
  return {};
}

void ModelRun::say(const control::OperatorSaid& said) {
  feed(said);
  observe();
}

void ModelRun::lead(bool leading) {
  feed(control::LeadershipChanged{static_cast<std::uint8_t>(leading ? 1 : 0)});
}

void ModelRun::teach(const control::Taught& learned) { feed(learned); }

std::int64_t ModelRun::starts_measured() const {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < loaded_.model.variants.size(); ++i) {
    out += controller_.cold_starts(i).measured();
  }
  return out;
}

void ModelRun::drained(ReplicaId id) {
  auto found = replicas_.find(id);
  if (found == replicas_.end()) return;
  const int index = variant_index(found->second.variant);
  if (index >= 0) variants_[static_cast<std::size_t>(index)].actuator->drained(id);
}

void ModelRun::shutdown(const std::function<void()>& done) {
  closing_ = true;
  parts_.loop.cancel(tick_timer_);
  parts_.loop.cancel(wake_timer_);
  auto left = std::make_shared<std::size_t>(variants_.size());
  if (*left == 0) return done();
  for (auto& variant : variants_) {
    variant.actuator->shutdown([left, done] {
      if (--*left == 0) done();
    });
  }
}

// ---- eyes ----

void ModelRun::tick() {
  const Duration period = std::max(parts_.clock.to_wall(kTick), kLeastWallTick);
  const Instant now = parts_.loop.now();
  const bool all_seen = in_step();
  if (all_seen || now >= next_look_) {  // that all is seen is looked for more often than the rest
    observe();
    next_look_ = now + period;
  }
  Duration wall = all_seen ? period : std::min(period, kAdoptLook);
  if (all_seen && !std::exchange(spread_, true)) {
    // Each model has its own moment of the period: a thousand decisions at once hold up requests.
    const double share = Rng(parts_.options.seed, "tick." + name()).uniform();
    wall = Duration(static_cast<std::int64_t>(share * static_cast<double>(period.count())));
  }
  tick_timer_ = parts_.loop.after(wall, [this] { tick(); });
}

bool ModelRun::in_step() const {
  return std::all_of(variants_.begin(), variants_.end(),
                     [](const VariantRun& variant) { return variant.actuator->in_step(); });
}

void ModelRun::waits() {
  if (look_pending_ || active_replicas_ > 0) return;
  look_pending_ = true;
  parts_.loop.defer([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    look_pending_ = false;
    observe();
  });
}

void ModelRun::observe() {
  if (closing_) return;
  const Instant now = parts_.clock.now();
  ledger_.settle(now);
  control::Observed seen = observed(now);
  last_ = seen.observation;
  active_replicas_ = 0;
  for (const auto& variant : last_.variants) active_replicas_ += variant.fleet.active().value();
  const bool all_seen = in_step();
  if (all_seen) parts_.gateway.all_told(name());
  if (!all_seen && parts_.loop.now() - began_ < kAdoptPatience) return;
  feed(std::move(seen));
}

control::Observed ModelRun::observed(Instant now) {
  control::GatewaySight gateway = parts_.gateway.sight(name(), loaded_.model.scaling.window);
  gateway.there = loaded_.model.front.by == spec::Front::kGateway;
  std::map<ReplicaId, route::ReplicaView> views;
  for (const auto& view : parts_.gateway.replica_views(name())) views[view.replica] = view;
  std::vector<control::ReplicaSight> sights;
  for (const auto& [id, info] : replicas_) {
    control::ReplicaSight sight{
        .id = id,
        .variant = spec_index(info.variant),
        .state = info.state,
        .ready_since = info.ordered_at + std::max(info.stages.total, Duration(0))};
    if (info.state == ReplicaState::kReady) sight.signals = senses_.signals(id, now);
    if (auto view = views.find(id); view != views.end()) {
      sight.in_flight = view->second.in_flight;
      sight.in_flight_tokens = view->second.in_flight_tokens;
    }
    sights.push_back(sight);
  }
  control::Observed seen =
      control::observe(loaded_.model, gateway, sights, now, net::WorldClock::wall_now(),
                       parts_.scraper.rule(), senses_.rules());
  senses_.tell_metrics(seen.observation, now);
  signal::Signal& heard = seen.observation.gateway;
  heard.coverage = std::min(heard.coverage, strays_.covered(seen.observation, now));
  return seen;
}

// ---- the controller and its hands ----

void ModelRun::feed(control::Event event) {
  if (closing_) return;  // what stops now was not decided by anybody
  events_.push_back(std::move(event));
  if (feeding_) return;
  Scope scope(feeding_);
  while (!events_.empty()) {
    control::Event next = std::move(events_.front());
    events_.pop_front();
    const Instant now = parts_.clock.now();
    std::vector<control::Action> actions;
    controller_.handle(next, now, actions);
    if (parts_.tape != nullptr) parts_.tape->control(name(), next, now, actions);
    for (const auto& action : actions) perform(action);
    const bool acted = std::exchange(acts_, controller_.acts());
    if (!acted || acts_) continue;
    for (auto& variant : variants_) variant.actuator->hold();
  }
  schedule();
  if (parts_.handled) parts_.handled(*this);
}

void ModelRun::schedule() {
  parts_.loop.cancel(wake_timer_);
  wake_timer_ = net::Loop::TimerId::kNone;
  const Instant wake = controller_.next_wake();
  if (wake.is_never() || closing_) return;
  const Duration wall = std::max(parts_.clock.to_wall(wake - parts_.clock.now()), millis(1));
  wake_timer_ = parts_.loop.after(wall, [this] { feed(control::Tick{}); });
}

void ModelRun::perform(const control::Action& action) {
  if (const auto* apply = std::get_if<control::Apply>(&action)) {
    perform_apply(*apply);
  } else if (const auto* wake = std::get_if<control::Wake>(&action)) {
    if (auto it = replicas_.find(wake->id); it != replicas_.end()) {
      variants_[static_cast<std::size_t>(variant_index(it->second.variant))].actuator->wake(
          wake->id);
    }
  } else if (const auto* sleep = std::get_if<control::Sleep>(&action)) {
    if (auto it = replicas_.find(sleep->id); it != replicas_.end()) {
      variants_[static_cast<std::size_t>(variant_index(it->second.variant))].actuator->sleep(
          sleep->id, static_cast<int>(sleep->level));
    }
  } else if (const auto* record = std::get_if<control::Record>(&action)) {
    perform_record(*record);
  } else if (const auto* announce = std::get_if<control::Announce>(&action)) {
    const Reason& reason = announce->reason;
    net::log(Level::kInfo, sentence(reason.code),
             {{"model", name()},
              {"variant", reason.variant},
              {"reason", std::string(token(reason.code))},
              {"before", std::to_string(reason.before)},
              {"after", std::to_string(reason.after)},
              {"detail", announce->detail}});
    parts_.journal.announce(name(), *announce, net::WorldClock::wall_now());
    if (parts_.announced) parts_.announced(*this, *announce);
  }
}

void ModelRun::perform_apply(const control::Apply& apply) {
  const int index = variant_index(apply.variant);
  if (index < 0) return;
  policy::VariantReplicas& applied = applied_[apply.variant];
  const std::int64_t before = applied.replicas.value(), wanted = apply.awake().value();
  if (wanted > before) ++scale_ups_;
  if (wanted < before) ++scale_downs_;
  if (wanted != before) {
    net::log(Level::kInfo, "scaling",
             {{"model", name()},
              {"variant", apply.variant},
              {"before", std::to_string(before)},
              {"after", std::to_string(wanted)}});
  }
  applied = {apply.variant, apply.awake(), apply.asleep};
  variants_[static_cast<std::size_t>(index)].actuator->apply(apply);
  remember_start();
}

void ModelRun::perform_record(const control::Record& record) {
  decided_ = decided_ || in_step();
  last_sequence_ = record.decision.sequence;
  for (const auto& reason : record.decision.reasons) ++by_reason_[std::string(token(reason.code))];
  parts_.journal.record(name(), record.decision, record.repeats);
  start_.next_sequence = record.decision.sequence + 1;
  remember_start();
}

void ModelRun::remember_start() {
  const control::View view = controller_.view();
  // What follows from the spec is not remembered: a changed spec must be free to change it.
  const bool said = view.mode != loaded_.model.scaling.mode;
  control::Start start{
      .mode = said ? view.mode : spec::Mode::kAuto,
      .timed_until = view.timed_until,
      .paused = static_cast<std::uint8_t>(view.paused && !loaded_.model.scaling.paused ? 1 : 0),
      .targets = {},
      .next_sequence = start_.next_sequence,
      .cold_starts = controller_.measured_starts(),
      .policy = controller_.learned()};
  for (const auto& [variant, applied] : applied_) start.targets.push_back(applied);
  // What was said and applied is on disk before we go on. What was only learned follows: a wait for
  // the disk at each record of a thousand models would hold up their requests.
  const bool wait =
      std::tie(start.mode, start.timed_until, start.paused, start.targets, start.cold_starts) !=
      std::tie(start_.mode, start_.timed_until, start_.paused, start_.targets, start_.cold_starts);
  start_ = std::move(start);
  if (parts_.options.dry_run) return;  // a look must not change what the next run starts from
  if (!wait) return parts_.journal.keep_start(name(), start_);
  if (auto saved = parts_.journal.save_start(name(), start_); !saved) {
    net::log(Level::kError, "journal: cannot save",
             {{"model", name()}, {"error", saved.error().message}});
  }
}

}  // namespace tidegate::live
