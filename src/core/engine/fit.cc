#include "core/engine/fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/check.h"
#include "core/base/math.h"
#include "core/engine/coefficients.h"
#include "core/engine/minimize.h"

namespace tidegate::engine {
namespace {

constexpr double kUnfinished = 5;      ///< error of a request the model does not finish
constexpr double kStrangeness = 0.02;  ///< weight of what is believed beforehand
constexpr double kRunning = 0.5;       ///< weight of the number running
constexpr std::int64_t kWarmUpSteps = 2;
constexpr double kMostWarmUp = 20;
constexpr std::int64_t kStarts = 4;
constexpr double kMostRaise = 0.03, kRaiseStep = 0.0025;
constexpr double kKvGain = 0.9;  ///< KV is believed to bind if the error falls below this share

/// A point: the coefficients, then the logarithm of how much longer the first steps took.
using Point = std::vector<double>;

class Fitter {
 public:
  Fitter(const RunRequests& run, const Options& options, const FitSettings& settings)
      : run_(run), options_(options), settings_(settings), rng_(settings.seed, "fit") {
    count_ = settings.first > 0 ? std::min(run.size(), static_cast<std::size_t>(settings.first))
                                : run.size();
    Duration end{0};
    double ttft = 0, ttfts = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (run[i].finished == 0) continue;
      end = std::max(end, run[i].last);
      ttft += latency_seconds(run[i], Latency::kTtft);
      ++ttfts;
    }
    TIDEGATE_CHECK(ttfts > 0);
    mean_ttft_ = std::max(ttft / ttfts, 1e-6);
    for (const RunSample& sample : settings.samples) {
      if (sample.at > end) break;
      sample_at_.push_back(sample.at);
      mean_running_ += sample.running;
    }
    if (!sample_at_.empty()) mean_running_ /= static_cast<double>(sample_at_.size());
  }

  Options options_at(const Point& x) const {
    Options out = options_;
    Coefficients c;
    c.log_fs.assign(x.begin(), x.begin() + Coefficients::kCount);
    c.apply(out.profile);
    return out;
  }
  static WarmUp warm_up_at(const Point& x) {
    return {1 + std::min(kMostWarmUp, exp(std::min(x.back(), 10.0))), kWarmUpSteps};
  }
  void set_kv(std::int64_t tokens) { options_.profile.kv_tokens = tokens; }
  std::int64_t evaluations() const { return evaluations_; }

  double error_at(const Point& x) {
    ++evaluations_;
    const Replayed model = replay(run_, options_at(x), sample_at_, warm_up_at(x));
    double sum = 0, counted = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (run_[i].finished == 0) continue;
      sum += error_of(run_[i], model.requests[i]);
      ++counted;
    }
    Coefficients c;
    c.log_fs.assign(x.begin(), x.begin() + Coefficients::kCount);
    return sum / counted + kRunning * running_error(model) + kStrangeness * c.strangeness();
  }

  /// The best of a few searches from different places, searched on.
  Minimum search(std::int64_t evaluations) {
    Point base = best_scale();
    Minimum best;
    for (std::int64_t i = 0; i < kStarts; ++i) {
      Point start = base;
      for (std::size_t d = 0; i > 0 && d < Coefficients::kCount; ++d)
        start[d] += rng_.normal(0, 0.5);
      Minimum found = improve(std::move(start), 0.5, evaluations / (2 * kStarts));
      if (best.at.empty() || found.value < best.value) best = std::move(found);
      if (settings_.progress) settings_.progress(0.1 * static_cast<double>(i + 1));
    }
    return improve(best.at, 0.2, evaluations / 2);
  }
  Minimum improve(Point start, double step, std::int64_t evaluations) {
    return minimize([this](const Point& x) { return error_at(x); },
                    {std::move(start), step, std::max<std::int64_t>(evaluations, 8)}, rng_);
  }

 private:
  static double off(double real, double model) {
    constexpr double kLeast = 1e-6;
    return std::abs(log(std::max(model, kLeast) / std::max(real, kLeast)));
  }
  double error_of(const RunRequest& real, const RunRequest& model) const {
    if (model.finished == 0) return kUnfinished;
    // Relative, but to a request's own TTFT only as far as it is not short beside the others.
    const double ttft = latency_seconds(real, Latency::kTtft);
    double sum =
        std::abs(latency_seconds(model, Latency::kTtft) - ttft) / (0.5 * (ttft + mean_ttft_));
    const double tpot = latency_seconds(real, Latency::kTpot);
    if (tpot > 0) sum += off(tpot, latency_seconds(model, Latency::kTpot));
    return sum + off(latency_seconds(real, Latency::kE2e), latency_seconds(model, Latency::kE2e));
  }
  double running_error(const Replayed& model) const {
    if (mean_running_ <= 0) return 0;
    double sum = 0;
    for (std::size_t i = 0; i < model.samples.size(); ++i) {
      sum += std::abs(model.samples[i].running - settings_.samples[i].running);
    }
    return sum / (mean_running_ * static_cast<double>(model.samples.size()));
  }
  Point best_scale() {
    Point best;
    double least = 0;
    for (double seconds = 1e-7; seconds < 0.02; seconds *= 1.5) {
      Point x = Coefficients::typical(seconds).log_fs;
      x.push_back(log(0.05));
      const double error = error_at(x);
      if (best.empty() || error < least) {
        best = std::move(x);
        least = error;
      }
    }
    return best;
  }

  const RunRequests& run_;
  Options options_;
  const FitSettings& settings_;
  Rng rng_;
  std::size_t count_ = 0;
  double mean_ttft_ = 0, mean_running_ = 0;
  std::vector<Duration> sample_at_;
  std::int64_t evaluations_ = 0;
};

/// The candidate with the least error, where each also answers for its neighbours: a single lucky
/// value among bad ones is luck.
std::size_t least_smoothed(const std::vector<Minimum>& candidates) {
  auto value = [&](std::size_t i) { return candidates[i].value; };
  auto smoothed = [&](std::size_t i) {
    double before = value(i == 0 ? 0 : i - 1);
    double after = value(std::min(i + 1, candidates.size() - 1));
    return (before + 2 * value(i) + after) / 4;
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (smoothed(i) < smoothed(best)) best = i;
  }
  return best;
}

struct Choice {
  std::int64_t kv_tokens = 0;
  Minimum found;
};

/// Fits at each of some KV sizes, each from where the one before ended.
Choice best_kv(Fitter& fitter, const std::vector<std::int64_t>& sizes, const Point& start,
               std::int64_t evaluations, const std::function<void(double)>& progress) {
  std::vector<Minimum> found;
  Point at = start;
  for (std::int64_t size : sizes) {
    fitter.set_kv(size);
    Minimum fresh = fitter.improve(start, 0.1, evaluations / 2);
    Minimum onward = fitter.improve(at, 0.1, evaluations / 2);
    found.push_back(fresh.value < onward.value ? std::move(fresh) : std::move(onward));
    at = found.back().at;
    if (progress)
      progress(0.5 + 0.5 * static_cast<double>(found.size()) / static_cast<double>(sizes.size()));
  }
  std::size_t best = least_smoothed(found);
  return {sizes[best], std::move(found[best])};
}

/// What was held at most, and whether anything was preempted, over the whole run.
Replayed play(const Fitter& fitter, const RunRequests& run, const Point& x) {
  std::vector<Duration> each_second;
  Duration end{0};
  for (const RunRequest& r : run) end = std::max(end, r.last);
  for (Duration t = millis(500); t < end; t += seconds(1)) each_second.push_back(t);
  return replay(run, fitter.options_at(x), each_second, Fitter::warm_up_at(x));
}

std::int64_t whole_blocks(double tokens, std::int64_t block) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(tokens) / block) * block;
}

/// The engine said `kv`: up to kMostRaise more may have fitted in.
KvKnowledge raise_kv(Fitter& fitter, const FitSettings& settings, std::int64_t block, Choice& at) {
  std::vector<std::int64_t> sizes;
  for (double more = 0; more < kMostRaise + kRaiseStep / 2; more += kRaiseStep)
    sizes.push_back(whole_blocks(static_cast<double>(at.kv_tokens) * (1 + more), block));
  const std::int64_t recorded = at.kv_tokens;
  at = best_kv(fitter, sizes, at.found.at, settings.evaluations / 10, settings.progress);
  return at.kv_tokens > recorded ? KvKnowledge::kRaised : KvKnowledge::kRecorded;
}

/// About the most tokens held at one time, as the measured times say: what a request has generated
/// is taken to grow evenly between its first and its last token.
double measured_held(const RunRequests& run) {
  constexpr std::size_t kLooks = 300;
  double most = 0;
  for (std::size_t i = 0; i < run.size(); i += 1 + run.size() / kLooks) {
    const RunRequest& at = run[i];
    if (at.finished == 0) continue;
    double held = 0;
    for (const RunRequest& r : run) {
      if (r.finished == 0 || r.first > at.first || r.last <= at.first) continue;
      const double share = to_seconds(at.first - r.first) / to_seconds(r.last - r.first);
      held += static_cast<double>(r.prompt) + share * static_cast<double>(r.output);
    }
    most = std::max(most, held);
  }
  return most;
}

/// The engine did not say: `at` was found without a limit. Searched anew at some sizes around what
/// was held (where requests were preempted that says a little too much), then in steps of 1 %.
KvKnowledge find_kv(Fitter& fitter, const FitSettings& settings, std::int64_t block, double held,
                    double least, Choice& at) {
  constexpr double kRatio = 0.94;
  constexpr int kRough = 5, kNear = 4;
  Choice rough;
  double size = held;
  for (int i = 0; i < kRough && size > least; ++i, size *= kRatio) {
    const std::int64_t tokens = whole_blocks(size, block);
    fitter.set_kv(tokens);
    Minimum found = fitter.search(settings.evaluations / 2);
    if (rough.kv_tokens == 0 || found.value < rough.found.value) rough = {tokens, std::move(found)};
  }
  if (rough.kv_tokens == 0 || rough.found.value > kKvGain * at.found.value) {
    return KvKnowledge::kNotReached;
  }
  std::vector<std::int64_t> sizes;
  for (int step = -kNear; step <= kNear; ++step) {
    const double near = static_cast<double>(rough.kv_tokens) * (1 + 0.01 * step);
    sizes.push_back(whole_blocks(std::max(near, least), block));
  }
  at = best_kv(fitter, sizes, rough.found.at, settings.evaluations / 10, settings.progress);
  return KvKnowledge::kFitted;
}

}  // namespace

RunFit fit_run(const RunRequests& run, const Options& options, const FitSettings& settings) {
  Fitter fitter(run, options, settings);
  RunFit out;
  const std::int64_t block = std::max<std::int64_t>(1, options.profile.block_size);
  double all = 0, largest = 0;
  for (const RunRequest& request : run) {
    const auto tokens = static_cast<double>(request.prompt + request.output + block);
    all += tokens;
    largest = std::max(largest, tokens);
  }
  Choice at;
  at.kv_tokens = settings.kv_recorded ? options.profile.kv_tokens : whole_blocks(all, block);
  fitter.set_kv(at.kv_tokens);
  at.found = fitter.search(settings.evaluations);
  Replayed played = play(fitter, run, at.found.at);
  if (!settings.kv_recorded) {
    out.kv = find_kv(fitter, settings, block, measured_held(run), largest, at);
  } else if (played.preemptions > 0) {
    out.kv = raise_kv(fitter, settings, block, at);
  }
  fitter.set_kv(at.kv_tokens);
  played = play(fitter, run, at.found.at);
  out.options = fitter.options_at(at.found.at);
  out.warm_up = Fitter::warm_up_at(at.found.at);
  out.error = at.found.value;
  out.evaluations = fitter.evaluations();
  out.kv_held_tokens =
      static_cast<std::int64_t>(played.peak_kv_usage * static_cast<double>(at.kv_tokens));
  return out;
}

}  // namespace tidegate::engine
