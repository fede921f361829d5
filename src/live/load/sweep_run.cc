#include "live/load/sweep_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "live/net/clock.h"
#include "live/net/http_client.h"

namespace tidegate::live {
namespace {

using engine::SweepDrop;

constexpr Duration kPageTimeout = seconds(10);         ///< wall
constexpr Duration kLeastBetweenSamples = millis(10);  ///< wall
/// A point that takes so many times its estimate is broken off.
constexpr double kPatience = 4;
constexpr Duration kLeastPatience = seconds(20);
/// Texts of two points never meet: no point has as many requests.
constexpr std::uint64_t kTextsOfAPoint = 1'000'000;

std::string point_words(const engine::SweepPoint& p) {
  return fmt::format("{} x {}+{}", p.concurrency, p.prompt, p.output);
}

std::string words_of(const engine::Judged& judged, const ClosedLoopResult& ran) {
  const engine::SweepMeasured& m = judged.measured;
  switch (judged.drop) {
    case SweepDrop::kFewRequests:
      return fmt::format("{} of {} requests ended{}", m.requests, m.point.measured_requests(),
                         ran.overran ? " before its time was over" : "");
    case SweepDrop::kNonsense:
      return "times or counts that cannot be (zero, negative, or the end before the start)";
    case SweepDrop::kOnePiece:
      return "answers came in one piece: it does not stream, or its steps are too short to see";
    case SweepDrop::kShortAnswers:
      return "answers of a token or none: it ended them early";
    case SweepDrop::kQueued:
      return judged.sequence_limit
                 ? fmt::format(
                       "requests waited in the engine with {} running and KV to spare: "
                       "that is its maxNumSeqs",
                       *judged.sequence_limit)
                 : fmt::format("{:.1f} requests waited in the engine (KV {:.0f} % full)", m.waiting,
                               100 * std::max(0.0, m.kv_usage));
    case SweepDrop::kCached:
      return fmt::format("{:.0f} % of the prompts were found in its prefix cache",
                         100 * m.cached_share);
    case SweepDrop::kNone:
    case SweepDrop::kErrors:
      break;
  }
  return "";
}

}  // namespace

struct SweepRun::State : std::enable_shared_from_this<SweepRun::State> {
  State(net::Loop& on, SweepConfig with)
      : loop(on), config(std::move(with)), http(on), clock(config.time_scale), sweep(config.ask) {
    result.points = sweep.points();
  }

  Duration sample_every() const {
    return std::clamp(clock.to_wall(kSampleEvery), kLeastBetweenSamples, kSampleEvery);
  }
  void next();
  void begin();
  void sample();
  void ended();
  void judge_point();
  void finish();
  void read_page(std::function<void(std::optional<EndpointReading>)> then);

  net::Loop& loop;
  const SweepConfig config;
  net::HttpClient http;
  net::WorldClock clock;
  engine::Sweep sweep;
  std::function<void()> done;
  Instant started;
  std::optional<engine::SweepPoint> point;
  std::unique_ptr<ClosedLoop> running;
  std::vector<engine::SweepSample> samples;
  engine::SweepCache before, after, first;
  bool have_first = false;
  net::Loop::TimerId timer = net::Loop::TimerId::kNone;
  std::size_t failures = 0;
  SweepResult result;
  bool over = false;
};

/// Nothing where the endpoint has no page that is understood, or did not answer with one.
void SweepRun::State::read_page(std::function<void(std::optional<EndpointReading>)> then) {
  if (!config.facts.dialect) return then(std::nullopt);
  net::ClientRequest request = endpoint_request(config.access, "/metrics");
  request.first_byte_timeout = request.idle_timeout = kPageTimeout;
  http.fetch(std::move(request),
             [weak = weak_from_this(), then = std::move(then)](Result<net::Response> response) {
               auto self = weak.lock();
               if (!self || self->over) return;
               if (!response || response->status != 200) return then(std::nullopt);
               then(read_metrics(response->body, *self->config.facts.dialect));
             });
}

void SweepRun::State::next() {
  const double spent = to_seconds(clock.now() - started);
  point = sweep.next(spent, result.tokens);
  result.left_out = sweep.left_out();
  if (!point || over) return finish();
  read_page([this](std::optional<EndpointReading> reading) {
    before = reading ? reading->cache : engine::SweepCache{};
    if (!std::exchange(have_first, true)) first = before;
    begin();
  });
}

void SweepRun::State::begin() {
  samples.clear();
  const double spent = to_seconds(clock.now() - started);
  const double left = config.ask.budget_seconds - spent;
  const double patience =
      std::max(to_seconds(kLeastPatience), kPatience * sweep.estimate_seconds(*point));
  running = std::make_unique<ClosedLoop>(
      loop, ClosedLoopConfig{config.access, config.facts, *point, config.time_scale,
                             config.unique + kTextsOfAPoint * sweep.given(),
                             seconds_f(std::max(0.001, std::min(left, patience)))});
  running->start([this] { ended(); });
  timer = loop.after(sample_every(), [this] { sample(); });
}

void SweepRun::State::sample() {
  timer = net::Loop::TimerId::kNone;
  if (!running->steady()) {
    timer = loop.after(sample_every(), [this] { sample(); });
    return;
  }
  read_page([this](std::optional<EndpointReading> reading) {
    if (!running || !running->steady()) return;
    if (reading) samples.push_back(reading->sample);
    timer = loop.after(sample_every(), [this] { sample(); });
  });
}

void SweepRun::State::ended() {
  loop.cancel(std::exchange(timer, net::Loop::TimerId::kNone));
  result.tokens += running->result().tokens;
  if (over) return;
  read_page([this](std::optional<EndpointReading> reading) {
    after = reading ? reading->cache : before;
    judge_point();
    running.reset();
    if (failures == kMostFailures) {
      result.failure = result.dropped.back().words;
      return finish();
    }
    next();
  });
}

void SweepRun::State::judge_point() {
  const ClosedLoopResult& ran = running->result();
  engine::Judged judged = engine::judge(
      *point, ran.requests, samples,
      {after.query_tokens - before.query_tokens, after.hit_tokens - before.hit_tokens});
  if (after.query_tokens > first.query_tokens) {
    result.cached_share =
        (after.hit_tokens - first.hit_tokens) / (after.query_tokens - first.query_tokens);
  }
  std::string words = words_of(judged, ran);
  if (!ran.errors.empty()) {
    judged.drop = SweepDrop::kErrors;
    words = "requests failed:";
    for (const auto& [name, count] : ran.errors) words += fmt::format(" {} x {}", count, name);
    if (!ran.first_error.empty()) words += " (" + ran.first_error + ")";
  }
  if (judged.drop == SweepDrop::kNone) {
    failures = 0;
    sweep.measured(judged.measured);
    result.measured.push_back(judged.measured);
    return;
  }
  result.dropped.push_back({*point, judged.drop, std::move(words)});
  if (judged.drop == SweepDrop::kQueued) {
    const std::int64_t limit = judged.sequence_limit.value_or(0);
    if (limit > 0) result.sequence_limit = limit;
    if (limit > 0) {
      sweep.limit(limit);
    } else if (point->series == engine::SweepSeries::kConcurrency) {
      sweep.limit(point->concurrency - 1);  // more clients would only wait longer
    }
    return;
  }
  ++failures;
}

void SweepRun::State::finish() {
  if (std::exchange(over, true)) return;
  loop.cancel(std::exchange(timer, net::Loop::TimerId::kNone));
  result.world = clock.now() - started;
  loop.defer([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || !self->done) return;
    auto told = std::move(self->done);  // it may destroy the run
    told();
  });
}

SweepRun::SweepRun(net::Loop& loop, SweepConfig config)
    : state_(std::make_shared<State>(loop, std::move(config))) {}

SweepRun::~SweepRun() {
  state_->done = nullptr;
  state_->finish();
}

void SweepRun::start(std::function<void()> done) {
  state_->done = std::move(done);
  state_->started = state_->clock.now();
  state_->loop.defer([weak = std::weak_ptr(state_)] {
    if (auto self = weak.lock(); self && !self->over) self->next();
  });
}

void SweepRun::stop() {
  if (state_->over) return;
  state_->result.interrupted = true;
  state_->finish();
  if (state_->running) state_->running->stop();
}

const SweepResult& SweepRun::result() const { return state_->result; }

std::string SweepRun::progress() const {
  const State& s = *state_;
  const double spent = to_seconds(s.clock.now() - s.started);
  return fmt::format("{:>3}/{} points, {}, {:.0f} s of {:.0f} s at most", s.result.measured.size(),
                     s.result.points, s.point ? point_words(*s.point) : "asking", spent,
                     s.config.ask.budget_seconds);
}

}  // namespace tidegate::live
