#include "core/engine/grid.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/check.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/engine/coefficients.h"
#include "core/engine/minimize.h"

namespace tidegate::engine {
namespace {

constexpr double kTtftWeight = 0.5, kStrangeness = 0.01;
constexpr std::int64_t kStarts = 6;
constexpr double kMostOff = 1.5;  ///< one broken point counts no more than this
constexpr double kMostFrontEnd = 0.2, kMostOpening = 0.5;
constexpr double kKvGain = 0.9;
constexpr double kTrialGain = 0.95;       ///< a setting is believed where it takes so much off
constexpr std::int64_t kTrialShare = 10;  ///< of the evaluations, for each trial
constexpr std::size_t kFrontEnd = Coefficients::kCount, kOpening = kFrontEnd + 1;

using Point = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + exp(-std::clamp(x, -50.0, 50.0))); }

GridPrediction static_batch(const Options& options, const GridPoint& point) {
  const std::int64_t batch = point.concurrency, prompt = point.prompt;
  auto seconds_of = [](__int128 femtos) { return static_cast<double>(femtos) * 1e-15; };
  GridPrediction out;
  out.ttft_seconds = seconds_of(step_femtos(options.profile, batch * prompt, 0, 0,
                                            __int128{batch} * prompt * (prompt + 1) / 2));
  out.tpot_seconds =
      seconds_of(step_femtos(options.profile, 0, batch, batch * (prompt + point.output / 2), 0));
  out.kv_held_tokens = batch * (prompt + point.output);
  return out;
}

/// Clients that open at once and then send one request after the other. Three rounds: the first is
/// the opening, its answers cut short one by one so that the clients stand at all points of a
/// request from then on, as they do in a long benchmark; the second is measured as what lasts; the
/// third keeps the load up meanwhile.
class ClosedLoop {
 public:
  ClosedLoop(const Options& options, const GridPoint& point)
      : engine_(options), point_(point), kv_tokens_(options.profile.kv_tokens) {}

  GridPrediction play(const GridClient& client) {
    const auto clients = static_cast<std::uint64_t>(point_.concurrency);
    for (std::uint64_t i = 0; i < clients; ++i) send(Instant{});
    std::vector<EngineEvent> events;
    double peak = 0;
    // The last round need not end.
    while (finished_ < 2 * clients && !engine_.next_event().is_never()) {
      events.clear();
      engine_.advance(engine_.next_event(), events);
      bool any = false;
      for (const EngineEvent& e : events) any = take(e, 3 * clients) || any;
      if (any) peak = std::max(peak, engine_.stats().kv_usage);
    }
    GridPrediction out;
    out.kv_held_tokens = static_cast<std::int64_t>(peak * static_cast<double>(kv_tokens_));
    Mean opening, lasting, tpot;
    for (std::size_t i = 0; i < std::min<std::size_t>(times_.size(), 2 * clients); ++i) {
      const Times& t = times_[i];
      if (!t.finished) continue;
      (i < clients ? opening : lasting).add(to_seconds(t.first - t.sent));
      if (i >= clients && point_.output > 1)
        tpot.add(to_seconds(t.last - t.first) / static_cast<double>(point_.output - 1));
    }
    out.ttft_seconds = client.opening_share * opening.value() +
                       (1 - client.opening_share) * lasting.value() + client.front_end_seconds;
    out.tpot_seconds = tpot.value();
    return out;
  }

 private:
  struct Times {
    Instant sent, first, last;
    bool finished = false;
  };
  struct Mean {
    double sum = 0, count = 0;
    void add(double x) {
      sum += x;
      ++count;
    }
    double value() const { return count > 0 ? sum / count : 0; }
  };

  void send(Instant now) {
    times_.push_back({now, now, now});
    EngineRequest request;
    request.id = RequestId(times_.size());
    request.prompt = Tokens(point_.prompt);
    request.output = Tokens(point_.output);
    if (times_.size() <= static_cast<std::size_t>(point_.concurrency)) {
      // Evenly over the answer, in an order that has nothing to do with that of sending: the golden
      // ratio's multiples.
      const double turns = 0.6180339887498949 * static_cast<double>(times_.size());
      const double share = turns - std::floor(turns);
      request.output =
          Tokens(1 + static_cast<std::int64_t>(share * static_cast<double>(point_.output)));
    }
    engine_.submit(request, now);
  }
  /// True where a request ended.
  bool take(const EngineEvent& event, std::uint64_t most) {
    Times& t = times_[event.id.value() - 1];
    if (event.kind == EventKind::kFirstToken) t.first = event.at;
    if (event.kind != EventKind::kFinished && event.kind != EventKind::kRejected) return false;
    t.last = event.at;
    t.finished = event.kind == EventKind::kFinished;
    finished_ += event.id.value() * 3 <= 2 * most;
    if (times_.size() < most && t.finished) send(event.at);
    return true;
  }

  Engine engine_;
  GridPoint point_;
  std::int64_t kv_tokens_;
  std::vector<Times> times_;
  std::uint64_t finished_ = 0;  ///< of the first two rounds
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class GridFitter {
 public:
  GridFitter(const std::vector<GridPoint>& points, const Options& options,
             const GridSettings& settings)
      : points_(points), options_(options), settings_(settings), rng_(settings.seed, "grid fit") {
    held_out_.assign(points.size(), 0);
    std::vector<std::size_t> order(points.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng_.below(i)]);
    auto kept_out = static_cast<std::size_t>(settings.holdout * static_cast<double>(points.size()));
    for (std::size_t i = 0; i < std::min(kept_out, points.size() - 1); ++i) held_out_[order[i]] = 1;
  }

  Options options_at(const Point& x) const {
    Options out = options_;
    Coefficients c;
    c.log_fs.assign(x.begin(), x.begin() + Coefficients::kCount);
    c.apply(out.profile);
    if (x.size() > kv_at()) {
      const double tokens = exp(std::min(x[kv_at()], 30.0));
      out.profile.kv_tokens =
          std::max(least_kv(), static_cast<std::int64_t>(tokens) / block() * block());
    }
    return out;
  }
  GridClient client_at(const Point& x) const {
    const double opening = settings_.ramp_cut != 0 ? 0 : kMostOpening * sigmoid(x[kOpening]);
    return {opening, kMostFrontEnd * sigmoid(x[kFrontEnd])};
  }
  double error_at(const Point& x) {
    ++evaluations_;
    if (settings_.progress && evaluations_ % 16 == 0)
      settings_.progress(static_cast<double>(evaluations_) / static_cast<double>(planned()));
    const Options options = options_at(x);
    const GridClient client = client_at(x);
    double sum = 0, count = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (held_out_[i] != 0) continue;
      const GridPrediction p = predict(options, points_[i], client);
      sum += off(points_[i].tpot_seconds, p.tpot_seconds) +
             kTtftWeight * off(points_[i].ttft_seconds, p.ttft_seconds);
      ++count;
    }
    Coefficients c;
    c.log_fs.assign(x.begin(), x.begin() + Coefficients::kCount);
    return sum / count + kStrangeness * c.strangeness();
  }
  Minimum improve(Point start, double step, std::int64_t evaluations) {
    return minimize([this](const Point& x) { return error_at(x); },
                    {std::move(start), step, std::max<std::int64_t>(evaluations, 10)}, rng_);
  }
  Minimum search() {
    Minimum best;
    for (double seconds = 1e-6; seconds < 1e-3; seconds *= 2) {
      Point x = Coefficients::typical(seconds).log_fs;
      x.push_back(log(0.05));                               // front end: some 10 ms
      if (settings_.ramp_cut == 0) x.push_back(log(0.25));  // opening: a tenth of the requests
      const double error = error_at(x);
      if (best.at.empty() || error < best.value) best = {std::move(x), error};
    }
    const Minimum scaled = best;
    for (std::int64_t i = 0; i < kStarts; ++i) {
      Point start = scaled.at;
      for (double& x : start) x += i == 0 ? 0 : rng_.normal(0, 1);
      Minimum found = improve(std::move(start), 0.7, settings_.evaluations / (2 * kStarts));
      if (found.value < best.value) best = std::move(found);
    }
    best = improve(best.at, 0.3, settings_.evaluations / 2);
    return settings_.trials.empty() ? best : try_settings(std::move(best));
  }
  /// Each trial may move the coefficients a little, and so may staying as it is.
  Minimum try_settings(Minimum best) {
    const std::int64_t each = settings_.evaluations / kTrialShare;
    for (const GridTrial& trial : settings_.trials) {
      const Options before = options_;
      best = improve(best.at, 0.1, each);
      if (trial.max_num_batched_tokens) {
        options_.max_num_batched_tokens = options_.profile.max_num_batched_tokens =
            std::max(*trial.max_num_batched_tokens, options_.max_num_seqs);
      }
      if (trial.async_scheduling) options_.profile.async_scheduling = *trial.async_scheduling;
      Minimum tried = improve(best.at, 0.1, each);
      if (tried.value < kTrialGain * best.value) {
        best = std::move(tried);
      } else {
        options_ = before;
      }
    }
    return best;
  }
  /// No limit was needed so far: does one explain the points better?
  Minimum find_kv(const Minimum& without, std::int64_t held) {
    Minimum best;
    for (double size = static_cast<double>(held); size > static_cast<double>(least_kv());
         size *= 0.88) {
      Point x = without.at;
      x.push_back(log(size));
      const double error = error_at(x);
      if (best.at.empty() || error < best.value) best = {std::move(x), error};
    }
    return best.at.empty() ? best : improve(best.at, 0.1, settings_.evaluations);
  }
  std::int64_t held_at(const Point& x) const {
    std::int64_t most = 0;
    for (const GridPoint& point : points_)
      most = std::max(most, predict(options_at(x), point, client_at(x)).kv_held_tokens);
    return most;
  }
  bool held_out(std::size_t i) const { return held_out_[i] != 0; }
  const std::vector<std::uint8_t>& held_out() const { return held_out_; }
  std::int64_t evaluations() const { return evaluations_; }

 private:
  std::size_t kv_at() const { return settings_.ramp_cut != 0 ? kOpening : kOpening + 1; }
  /// Evaluations at most, as far as is known now.
  std::int64_t planned() const {
    const auto trials = 2 * static_cast<std::int64_t>(settings_.trials.size());
    return settings_.evaluations * (settings_.kv_recorded ? 1 : 2) +
           settings_.evaluations / kTrialShare * trials;
  }
  static double off(double real, double model) {
    return std::min(kMostOff, std::abs(log(std::max(model, 1e-6) / real)));
  }
  std::int64_t block() const { return std::max<std::int64_t>(1, options_.profile.block_size); }
  std::int64_t least_kv() const {
    std::int64_t most = 0;
    for (const GridPoint& p : points_) most = std::max(most, p.prompt + p.output + block());
    return (most + block() - 1) / block() * block();
  }

  const std::vector<GridPoint>& points_;
  Options options_;
  const GridSettings& settings_;
  Rng rng_;
  std::vector<std::uint8_t> held_out_;
  std::int64_t evaluations_ = 0;
};

}  // namespace

GridPrediction predict(const Options& options, const GridPoint& point, const GridClient& client) {
  if (point.kind == GridKind::kStaticBatch) return static_batch(options, point);
  return ClosedLoop(options, point).play(client);
}

GridFit fit_grid(const std::vector<GridPoint>& points, const Options& options,
                 const GridSettings& settings) {
  TIDEGATE_CHECK(points.size() >= 2);
  Options unlimited = options;
  if (!settings.kv_recorded) {
    std::int64_t most = 0;
    for (const GridPoint& p : points)
      most = std::max(most, p.concurrency * (p.prompt + p.output + options.profile.block_size));
    unlimited.profile.kv_tokens = most;
  }
  GridFitter fitter(points, unlimited, settings);
  GridFit out;
  Minimum best = fitter.search();
  out.kv = settings.kv_recorded ? KvKnowledge::kRecorded : KvKnowledge::kNotReached;
  const bool closed = points.front().kind == GridKind::kClosedLoop;
  if (!settings.kv_recorded && closed) {
    Minimum limited = fitter.find_kv(best, fitter.held_at(best.at));
    if (!limited.at.empty() && limited.value < kKvGain * best.value) {
      out.kv = KvKnowledge::kFitted;
      best = std::move(limited);
    }
  }
  out.options = fitter.options_at(best.at);
  out.client = fitter.client_at(best.at);
  out.kv_held_tokens = fitter.held_at(best.at);
  out.was_held_out = fitter.held_out();
  std::vector<double> ttft[2], tpot[2];
  for (std::size_t i = 0; i < points.size(); ++i) {
    out.predicted.push_back(predict(out.options, points[i], out.client));
    const std::size_t side = fitter.held_out(i) ? 1 : 0;
    ttft[side].push_back(std::abs(out.predicted[i].ttft_seconds / points[i].ttft_seconds - 1));
    tpot[side].push_back(std::abs(out.predicted[i].tpot_seconds / points[i].tpot_seconds - 1));
  }
  for (std::size_t side = 0; side < 2; ++side) {
    GridErrors& errors = side == 0 ? out.fitted : out.held_out;
    errors = {median(ttft[side]), median(tpot[side]), static_cast<std::int64_t>(ttft[side].size())};
  }
  out.evaluations = fitter.evaluations();
  return out;
}

}  // namespace tidegate::engine
