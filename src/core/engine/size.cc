#include "core/engine/size.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/math.h"

namespace tidegate::engine {
namespace {

/// Erlang's recursion is walked to here; larger pools are sized as pools of this size, which wait
/// more.
constexpr double kMostServers = 10'000;

/// Smallest whole number >= x, blind to rounding noise.
double whole(double x) { return std::ceil(x - 1e-9 * std::abs(x)); }

/// Probability of waiting with `servers` busy to `load` (Erlang), load < servers.
double erlang_c(double servers, double load) {
  if (load >= servers) return 1;
  const double pool = std::max(1.0, std::floor(std::min(servers, kMostServers)));
  const double offered = load / servers * pool;
  double blocked = 1;  // Erlang B, server by server
  for (double k = 1; k <= pool; ++k) blocked = offered * blocked / (k + offered * blocked);
  return blocked / (1 - offered / pool * (1 - blocked));
}

/// P(wait > t) = probability * e^(-rate t).
struct Wait {
  double probability = 0;
  double rate = 0;
  double over(double t) const { return t < 0 ? 1 : probability * exp(-std::min(700.0, rate * t)); }
};

/// P(a + b > t) of two independent waits.
double over_both(const Wait& a, const Wait& b, double t) {
  if (t < 0) return 1;
  if (a.probability <= 0 || b.probability <= 0) return std::max(a.over(t), b.over(t));
  const double fast = std::max(a.rate, b.rate), slow = std::min(a.rate, b.rate);
  const double ea = exp(-std::min(700.0, slow * t)), eb = exp(-std::min(700.0, fast * t));
  const double both =
      fast - slow > 1e-6 * fast ? (fast * ea - slow * eb) / (fast - slow) : ea * (1 + slow * t);
  return (1 - b.probability) * a.over(t) + (1 - a.probability) * b.over(t) +
         a.probability * b.probability * both;
}

/// One fleet at one load: steps, prompts and waits.
class Loaded {
 public:
  Loaded(const Profile& profile, const SizeAsk& ask, const LengthMix& lengths, double slots)
      : profile_(profile),
        ask_(ask),
        mix_(lengths),
        law_(step_law(profile, ask.step_factor, lengths.moments)),
        slots_(slots) {}

  /// `rate` requests/s on `ranks` ranks together. False: more than they can serve at all.
  bool at(double rate, double ranks) {
    const double busy = rate / ranks * mix_.moments.output;  // decoded tokens/s of a rank
    if (busy * law_.each_seconds >= 1) return false;
    running_ = busy * law_.fixed_seconds / (1 - busy * law_.each_seconds);
    if (running_ >= slots_) return false;
    step_ = law_.fixed_seconds + law_.each_seconds * running_;
    set_prompts(rate / ranks);
    if (prompts_.probability >= 1) return false;
    set_slots(ranks);
    return true;
  }

  double running() const { return running_; }
  double step_seconds() const { return step_; }

  /// Share of requests whose first token takes longer than `bound`.
  double late(double bound) const {
    double sum = 0;
    for (double prompt : mix_.prompts) {
      sum += over_both(slot_, prompts_, bound - step_ / 2 - alone(prompt));
    }
    return sum / static_cast<double>(mix_.prompts.size());
  }

  double ttft(double percentile) const {
    double low = 0, high = 1;
    while (high < 1e9 && late(high) > 1 - percentile) high *= 2;
    for (int i = 0; i < 50; ++i) {
      double middle = (low + high) / 2;
      (late(middle) > 1 - percentile ? low : high) = middle;
    }
    return high;
  }

 private:
  /// A step without prompts, at this load.
  double decode_step() const {
    return law_.fixed_seconds + (static_cast<double>(profile_.c2_fs) +
                                 static_cast<double>(profile_.c3_fs) * law_.held_tokens) *
                                    1e-15 * ask_.step_factor * running_;
  }
  double chunk() const {
    return std::max(1.0, static_cast<double>(ask_.max_num_batched_tokens) - running_);
  }
  double prompt_seconds(double prompt, double steps) const {
    return steps * decode_step() + (static_cast<double>(profile_.c1_fs) * prompt +
                                    static_cast<double>(profile_.c4_fs) * prompt * prompt / 2) *
                                       1e-15 * ask_.step_factor;
  }
  /// Prefill of one prompt, no other before it.
  double alone(double prompt) const { return prompt_seconds(prompt, std::ceil(prompt / chunk())); }

  /// Prompts share steps, so the queue before a prompt is counted in parts of a step.
  void set_prompts(double rate) {
    double mean = 0, square = 0;
    for (double prompt : mix_.prompts) {
      double time = prompt_seconds(prompt, prompt / chunk());
      mean += time;
      square += time * time;
    }
    auto count = static_cast<double>(mix_.prompts.size());
    mean /= count, square /= count;
    const double busy = rate * mean;
    prompts_ = {busy, 0};
    if (busy >= 1) return;
    prompts_.rate = 2 * (1 - busy) * mean / square;  // wait of those who wait: 1 / rate
  }
  void set_slots(double ranks) {
    const double pool = slots_ * ranks, load = running_ * ranks;
    const LengthMoments& m = mix_.moments;
    // Service time goes with the answer's length.
    const double spread = m.output_squared / (m.output * m.output) - 1;
    const double served = m.output * step_;
    slot_ = {erlang_c(pool, load), (pool - load) / served * 2 / (1 + spread)};
  }

  const Profile& profile_;
  const SizeAsk& ask_;
  const LengthMix& mix_;
  StepLaw law_;
  double slots_;
  double running_ = 0, step_ = 0;
  Wait prompts_, slot_;
};

CapacityLimits limits_of(const SizeAsk& ask, double itl_seconds) {
  return {ask.max_num_seqs, ask.max_num_batched_tokens, ask.data_parallel_size,
          seconds_f(itl_seconds), ask.step_factor};
}

}  // namespace

LengthMix LengthMix::of(std::vector<Lengths> samples) {
  if (samples.empty()) samples.push_back({1, 1});
  LengthMix out;
  auto count = static_cast<double>(samples.size());
  LengthMoments& m = out.moments;
  for (const Lengths& sample : samples) {
    LengthMoments one = LengthMoments::of(sample);
    m.prompt += one.prompt / count;
    m.output += one.output / count;
    m.prompt_squared += one.prompt_squared / count;
    m.prompt_output += one.prompt_output / count;
    m.output_squared += one.output_squared / count;
  }
  std::sort(samples.begin(), samples.end(),
            [](const Lengths& a, const Lengths& b) { return a.prompt_tokens < b.prompt_tokens; });
  const std::size_t points = std::min(kPrompts, samples.size());
  for (std::size_t i = 0; i < points; ++i) {
    std::size_t at = (2 * i + 1) * samples.size() / (2 * points);
    out.prompts.push_back(std::max(1.0, samples[at].prompt_tokens));
  }
  return out;
}

LittleAnswer little(const LittleAsk& ask) {
  LittleAnswer out;
  out.concurrency = ask.requests_per_second * ask.latency_seconds;
  out.per_replica = static_cast<double>(std::max<std::int64_t>(1, ask.max_num_seqs));
  if (ask.kv_tokens > 0 && ask.held_tokens > 0) {
    double fit = std::max(1.0, ask.kv_tokens / ask.held_tokens);
    out.kv_binds = fit < out.per_replica;
    out.per_replica = std::min(out.per_replica, fit);
  }
  out.replicas = std::max(1.0, whole(out.concurrency / (out.per_replica * ask.target_utilization)));
  out.utilization = out.concurrency / (out.per_replica * out.replicas);
  return out;
}

SizeAnswer size(const Profile& profile, const SizeAsk& ask, const LengthMix& lengths) {
  SizeAnswer out;
  const StepLaw law = step_law(profile, ask.step_factor, lengths.moments);
  const Capacity full = capacity_of(profile, limits_of(ask, ask.itl_seconds), lengths.moments);
  const auto ranks = static_cast<double>(std::max<std::int64_t>(1, ask.data_parallel_size));
  // A bound on ITL refuses nobody: slots are what the engine holds.
  const Capacity held = capacity_of(profile, limits_of(ask, 0), lengths.moments);
  const double slots = held.sequences / ranks;
  out.slots = held.sequences;
  out.latency_at_slots_seconds = lengths.moments.output * held.step_seconds;
  out.binding = static_cast<SizeBinding>(full.binding);
  out.requests_per_second = full.requests_per_second;
  auto refuse = [&](Infeasible why) {
    out.infeasible = why;
    return out;
  };
  if (law.held_tokens > static_cast<double>(profile.kv_tokens)) return refuse(Infeasible::kKv);
  Loaded loaded(profile, ask, lengths, slots);
  loaded.at(0, ranks);
  out.ttft_alone_seconds = loaded.ttft(ask.ttft_percentile);
  if (ask.itl_seconds > 0 && law.fixed_seconds + law.each_seconds > ask.itl_seconds) {
    return refuse(Infeasible::kItl);
  }
  const double allowed = 1 - ask.ttft_percentile;
  if (ask.ttft_seconds > 0 && loaded.late(ask.ttft_seconds) > allowed) {
    return refuse(Infeasible::kTtft);
  }
  auto keeps_ttft = [&](double rate, std::int64_t replicas) {
    if (!loaded.at(rate, ranks * static_cast<double>(replicas))) return false;
    return ask.ttft_seconds <= 0 || loaded.late(ask.ttft_seconds) <= allowed;
  };
  const double rate = ask.requests_per_second;
  const double wanted = whole(rate / (full.requests_per_second * ask.target_utilization));
  if (!(wanted <= static_cast<double>(kMostSizedReplicas))) return refuse(Infeasible::kLoad);
  std::int64_t few = std::max<std::int64_t>(1, static_cast<std::int64_t>(wanted)), many = few;
  while (!keeps_ttft(rate, many)) {
    if (many >= kMostSizedReplicas) return refuse(Infeasible::kLoad);
    few = many + 1;
    many = std::min(kMostSizedReplicas, many * 2);
    out.binding = SizeBinding::kTtft;
  }
  while (few < many) {
    std::int64_t middle = few + (many - few) / 2;
    if (keeps_ttft(rate, middle)) {
      many = middle;
    } else {
      few = middle + 1;
    }
  }
  out.replicas = many;
  const double most = full.requests_per_second * static_cast<double>(many);
  out.utilization = rate / most;
  double low = 1, high = most / rate;  // full is the edge: served until just before it
  for (int i = 0; i < 40 && high > low; ++i) {
    double middle = (low + high) / 2;
    (keeps_ttft(rate * middle, many) ? low : high) = middle;
  }
  out.headroom = low - 1;
  keeps_ttft(rate, many);
  out.running = loaded.running() * ranks;
  out.itl_seconds = loaded.step_seconds();
  out.ttft_seconds = loaded.ttft(ask.ttft_percentile);
  return out;
}

BreakEven break_even(const SizeAsk& ask, const SizeAnswer& answer, const LengthMoments& lengths,
                     const PriceAsk& price) {
  BreakEven out;
  constexpr double kMonthSeconds = kHoursPerMonth * 3600;
  const double request =
      (lengths.prompt * price.per_mtok_in_dollars + lengths.output * price.per_mtok_out_dollars) *
      1e-6;
  const double replica_month = price.cost_per_hour_dollars * kHoursPerMonth;
  out.own_month_dollars = replica_month * static_cast<double>(answer.replicas);
  out.api_month_dollars = ask.requests_per_second * kMonthSeconds * request;
  if (request > 0) {
    out.requests_per_month = replica_month / request;
    out.tokens_per_month = out.requests_per_month * (lengths.prompt + lengths.output);
    out.utilization = out.requests_per_month / (answer.requests_per_second * kMonthSeconds);
  }
  out.own_is_cheaper = out.own_month_dollars < out.api_month_dollars;
  return out;
}

ZeroAnswer scale_to_zero(const SizeAsk& ask, const ZeroAsk& zero) {
  constexpr double kDaySeconds = 86'400;
  ZeroAnswer out;
  const double rate = ask.requests_per_second;
  out.wakes_in_time = zero.cold_start_seconds <= zero.max_wait_seconds;
  out.gap_seconds = zero.scale_down_delay_seconds + zero.cold_start_seconds;
  out.gap_share = exp(-std::min(700.0, rate * out.gap_seconds));
  out.idle_share_per_wake = std::min(1.0, out.gap_seconds / kDaySeconds);
  if (zero.ttft_seconds > 0 && zero.cold_start_seconds > zero.ttft_seconds) {
    out.misses_per_wake = 1 + rate * (zero.cold_start_seconds - zero.ttft_seconds);
    out.wakes_per_day = (1 - zero.ttft_percentile) * rate * kDaySeconds / out.misses_per_wake;
  }
  return out;
}

}  // namespace tidegate::engine
