#include "core/engine/sweep.h"

#include <algorithm>
#include <cmath>

namespace tidegate::engine {
namespace {

constexpr std::int64_t kLeastMeasured = 4;
constexpr std::int64_t kShortestAnswer = 16;  ///< shorter ones tell no time between tokens
constexpr std::int64_t kPromptAnswer = 32;    ///< in the series that look at prompts
constexpr std::int64_t kPrompts[] = {128, 2'048, 8'192, 32'768};
constexpr std::int64_t kContexts[] = {2'048, 6'144};
constexpr std::int64_t kContextClients[] = {4, 12};
constexpr std::int64_t kShortPrompt = 32;
constexpr double kMostCached = 0.05;  ///< of a prompt; more of it and the point is no use
constexpr double kKvToSpare = 0.9;
constexpr std::size_t kLeastSamples = 3;  ///< to read a limit off them
/// What a client sends beside measured requests: the opening one, the one it has under way when the
/// last of the others has opened, and the one that keeps the load up at the end.
constexpr std::int64_t kOthersOfAClient = 3;
/// They last less: opening ones are cut short, and those at the end broken off.
constexpr double kOtherRounds = 1.5;

double mean(double sum, std::size_t count) {
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

double percentile95(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double rank = 0.95 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
}

/// Mean of a gauge over the samples that have it; -1 where none has.
double gauge(const std::vector<SweepSample>& samples, double SweepSample::*member) {
  double sum = 0;
  std::size_t count = 0;
  for (const SweepSample& s : samples) {
    if (!(s.*member >= 0)) continue;
    sum += s.*member;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : -1;
}

/// More than half of the samples saw somebody wait: a passing prefill ahead is no queue.
bool queued(const std::vector<SweepSample>& samples) {
  std::size_t known = 0, waiting = 0;
  for (const SweepSample& s : samples) {
    known += s.waiting >= 0;
    waiting += s.waiting >= 1;
  }
  return known > 0 && 2 * waiting > known;
}

std::optional<std::int64_t> sequence_limit(const std::vector<SweepSample>& samples) {
  double least = -1, most = -1;
  std::size_t seen = 0;
  for (const SweepSample& s : samples) {
    if (s.waiting < 1 || s.running < 1) continue;
    if (s.kv_usage >= kKvToSpare) return std::nullopt;
    least = least < 0 ? s.running : std::min(least, s.running);
    most = std::max(most, s.running);
    ++seen;
  }
  // One less while a request that ended has not been followed yet.
  if (seen < kLeastSamples || most - least > 1) return std::nullopt;
  return static_cast<std::int64_t>(most);
}

SweepDrop fault_of(const std::vector<SweepRequest>& requests) {
  std::size_t nonsense = 0, brief = 0, one_piece = 0;
  for (const SweepRequest& r : requests) {
    const bool sane = std::isfinite(r.ttft_seconds) && std::isfinite(r.last_seconds) &&
                      r.ttft_seconds > 0 && r.last_seconds >= r.ttft_seconds && r.prompt > 0 &&
                      r.output >= 0;
    nonsense += !sane;
    brief += r.output < 2;
    one_piece += r.last_seconds == r.ttft_seconds;
  }
  if (nonsense > 0) return SweepDrop::kNonsense;
  if (2 * brief > requests.size()) return SweepDrop::kShortAnswers;
  if (2 * one_piece > requests.size()) return SweepDrop::kOnePiece;
  return SweepDrop::kNone;
}

}  // namespace

std::int64_t SweepPoint::measured_requests() const { return std::max(concurrency, kLeastMeasured); }

std::int64_t SweepPoint::tokens() const {
  return (measured_requests() + kOthersOfAClient * concurrency) * (prompt + output);
}

GridPoint SweepMeasured::grid() const {
  return {GridKind::kClosedLoop, point.prompt, point.output,
          point.concurrency,     ttft_seconds, tpot_seconds};
}

std::vector<SweepPoint> sweep_points(const SweepAsk& ask) {
  std::vector<SweepPoint> out;
  auto add = [&](SweepSeries series, std::int64_t prompt, std::int64_t output,
                 std::int64_t clients) {
    const std::int64_t tokens = prompt + output;
    if (tokens > ask.max_model_len || clients > ask.max_concurrency) return;
    if (ask.kv_tokens > 0 && clients * (tokens + 1) > ask.kv_tokens) return;
    const bool known = std::any_of(out.begin(), out.end(), [&](const SweepPoint& p) {
      return p.prompt == prompt && p.output == output && p.concurrency == clients;
    });
    if (!known) out.push_back({series, prompt, output, clients});
  };
  for (std::int64_t clients = 1; clients < ask.max_concurrency; clients *= 2)
    add(SweepSeries::kConcurrency, ask.prompt, ask.output, clients);
  add(SweepSeries::kConcurrency, ask.prompt, ask.output, ask.max_concurrency);
  for (std::int64_t prompt : kPrompts) add(SweepSeries::kPrompts, prompt, kPromptAnswer, 1);
  for (std::int64_t prompt : kContexts) {
    for (std::int64_t clients : kContextClients)
      add(SweepSeries::kContext, prompt, 4 * kPromptAnswer, clients);
  }
  for (std::int64_t share : {4, 1}) {
    add(SweepSeries::kShortPrompts, kShortPrompt, ask.output,
        std::max<std::int64_t>(1, ask.max_concurrency / share));
  }
  std::stable_sort(out.begin(), out.end(), [](const SweepPoint& a, const SweepPoint& b) {
    return a.tokens() < b.tokens();
  });
  return out;
}

Judged judge(const SweepPoint& point, const std::vector<SweepRequest>& requests,
             const std::vector<SweepSample>& samples, const SweepCache& cache) {
  Judged out;
  SweepMeasured& m = out.measured;
  m.point = point;
  m.requests = static_cast<std::int64_t>(requests.size());
  m.running = gauge(samples, &SweepSample::running);
  m.waiting = gauge(samples, &SweepSample::waiting);
  m.kv_usage = gauge(samples, &SweepSample::kv_usage);
  if (cache.query_tokens > 0)
    m.cached_share = std::clamp(cache.hit_tokens / cache.query_tokens, 0.0, 1.0);
  // Half of them is a measurement still; a handful of many clients is none.
  if (m.requests < 2 || 2 * m.requests < point.measured_requests())
    out.drop = SweepDrop::kFewRequests;
  else
    out.drop = fault_of(requests);
  if (out.drop != SweepDrop::kNone) return out;
  double prompt = 0, output = 0, ttft = 0, last = 0, tpot = 0;
  std::size_t streamed = 0;
  std::vector<double> firsts;
  for (const SweepRequest& r : requests) {
    prompt += static_cast<double>(r.prompt);
    output += static_cast<double>(r.output);
    ttft += r.ttft_seconds;
    last += r.last_seconds;
    firsts.push_back(r.ttft_seconds);
    if (r.output < 2) continue;
    tpot += (r.last_seconds - r.ttft_seconds) / static_cast<double>(r.output - 1);
    ++streamed;
  }
  const std::size_t n = requests.size();
  m.point.prompt = std::max<std::int64_t>(1, static_cast<std::int64_t>(mean(prompt, n) + 0.5));
  m.point.output = std::max<std::int64_t>(1, static_cast<std::int64_t>(mean(output, n) + 0.5));
  m.ttft_seconds = mean(ttft, n);
  m.ttft_p95_seconds = percentile95(std::move(firsts));
  m.tpot_seconds = mean(tpot, streamed);
  // Little's law: so many clients, each `output` tokens in the time of a request.
  m.output_tokens_per_second = static_cast<double>(point.concurrency) * output / last;
  if (queued(samples)) {
    out.drop = SweepDrop::kQueued;
    out.sequence_limit = sequence_limit(samples);
  } else if (m.cached_share > kMostCached) {
    out.drop = SweepDrop::kCached;
  }
  return out;
}

Sweep::Sweep(SweepAsk ask)
    : ask_(ask), points_(sweep_points(ask)), most_clients_(ask.max_concurrency) {}

double Sweep::estimate_seconds(const SweepPoint& p) const {
  // The nearest engine that was seen: its time between tokens grows at most with the clients, its
  // TTFT at most with the tokens that are prefilled at once.
  double each = 0, prefill = 0;
  std::int64_t nearest = 0;
  for (const SweepMeasured& m : measured_) {
    const double more = std::max(
        1.0, static_cast<double>(p.concurrency) / static_cast<double>(m.point.concurrency));
    if (m.point.concurrency >= nearest) {
      nearest = m.point.concurrency;
      each = m.tpot_seconds * more;
    }
    if (m.point.concurrency == 1) {
      const double longer =
          std::max(1.0, static_cast<double>(p.prompt) / static_cast<double>(m.point.prompt));
      const double alone = m.ttft_seconds * longer;
      prefill = prefill == 0 ? alone : std::min(prefill, alone);
    }
  }
  const double rounds = kOtherRounds + static_cast<double>(p.measured_requests()) /
                                           static_cast<double>(p.concurrency);
  // A client's prompt waits for those of half the others.
  const double ttft = prefill * (1 + static_cast<double>(p.concurrency - 1) / 2);
  return rounds * (ttft + each * static_cast<double>(p.output));
}

std::optional<SweepPoint> Sweep::next(double spent_seconds, std::int64_t spent_tokens) {
  const double seconds = ask_.budget_seconds - spent_seconds;
  const std::int64_t tokens = ask_.budget_tokens - spent_tokens;
  while (at_ < points_.size()) {
    SweepPoint point = points_[at_++];
    auto paid = [&] { return estimate_seconds(point) <= seconds && point.tokens() <= tokens; };
    if (point.concurrency <= most_clients_ && seconds > 0) {
      while (!paid() && point.output > kShortestAnswer) {
        point.output = std::max(kShortestAnswer, point.output / 2);
      }
      if (paid()) {
        ++given_;
        return point;
      }
    }
    ++left_out_;
  }
  return std::nullopt;
}

void Sweep::measured(const SweepMeasured& point) { measured_.push_back(point); }

void Sweep::limit(std::int64_t clients) { most_clients_ = std::min(most_clients_, clients); }

}  // namespace tidegate::engine
