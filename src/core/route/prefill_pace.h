#pragma once
// PrefillPace: how fast prompts may be handed to a replica that decodes.
//
// Each prompt token that an engine computes stands between two tokens of everybody who decodes
// there. With steps of T seconds without prefill, and a share x of the time spent on prefill, a
// request sees T / (1 - x) a token on average; over its n tokens the prompts that fall on it come
// by chance, so that it sees, with u = T / (1 - x) - T and c seconds a prompt token,
//
//   mean T + u, variance u * c * E[p^2] / E[p] / (n - 1)        (compound Poisson; that prompts
//                                                  lengthen the very life they fall on is left out)
//
// and u is the root of T + u + z * deviation = slo.itl, z at the SLO's percentile. Prompts may then
// take x = u / (T + u) of the time: each is charged p * c / x seconds, and the next one waits at
// the gateway until no more than kAhead of the bound is owed (the generic cell rate algorithm,
// ITU-T I.371). There it costs TTFT, of which there is plenty, and not the pace of others, of which
// there is none. What waits so long that TTFT is lost was more than the replica could carry.
//
//   PaceLaw law;  law.bound(millis(60));  law.saw_prompt(900);  law.saw_output(200);
//   PrefillPace pace;  pace.up(cost);
//   pace.charge(900, sequences, tokens, law, now);
//   bool room = pace.opens(law) <= now;
//
// T and c are the profile's, times what this replica was seen to take against it: `learn` compares
// the time a request decoded with what the profile says of it, kPrior seconds of belief in the
// profile beside kMemory of what was seen, at most kSlowest and at least kFastest of it: a client
// that reads slowly looks like a slow engine. A wrong profile is outlived in some dozen requests.
// Nothing is paced without a bound or a profile, nor for a bound that a lone request would miss.
// Seconds, tokens. Thread-safety: values with one owner.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/base/time.h"

namespace tidegate::route {

/// Seconds of a step, as the profile says, of a whole replica (all its ranks).
struct StepCost {
  double step = 0;           ///< of any step
  double prefill_token = 0;  ///< 0: no profile, nothing is paced
  double sequence = 0;       ///< a decoding sequence
  double context_token = 0;  ///< a token of decoding context
  double pair = 0;           ///< a prompt token and a token before it
  double decode(std::int64_t sequences, std::int64_t tokens) const {
    return step + sequence * static_cast<double>(sequences) +
           context_token * static_cast<double>(tokens);
  }
  double prefill(double tokens) const { return (prefill_token + pair * tokens / 2) * tokens; }
};

/// The bound, and what the model's requests are like: running means over about kRequests.
class PaceLaw {
 public:
  static constexpr double kRequests = 512;
  /// Of the time, at least: prompts must get in however slow the engine is.
  static constexpr double kLeastShare = 0.05;

  /// Zero: nothing is paced.
  void bound(Duration itl) { bound_ = to_seconds(itl); }
  double bound_seconds() const { return bound_; }
  void saw_prompt(std::int64_t tokens) {
    const auto p = static_cast<double>(tokens);
    follow(prompt_, p, prompts_);
    follow(square_, p * p, prompts_);
    prompts_ = std::min(prompts_ + 1, kRequests);
  }
  /// One token has no pace.
  void saw_output(std::int64_t tokens) {
    if (tokens < 2) return;
    follow(shortness_, 1 / static_cast<double>(tokens - 1), outputs_);
    outputs_ = std::min(outputs_ + 1, kRequests);
  }
  /// Of the time, for prefill, where steps take `step` and a prompt token `token` seconds.
  double share(double step, double token) const {
    const double room = bound_ - step;
    if (!(room > 0) || !(prompt_ > 0)) return kLeastShare;
    const double wobble = std::sqrt(token * square_ / prompt_ * shortness_);
    const double root = (std::sqrt(wobble * wobble + 4 * room) - wobble) / 2;
    const double taken = root * root;
    return std::max(kLeastShare, taken / (step + taken));
  }

 private:
  static void follow(double& mean, double value, double seen) {
    mean += (value - mean) / (std::min(seen, kRequests - 1) + 1);
  }
  double bound_ = 0;
  double prompt_ = 0, square_ = 0, prompts_ = 0;  ///< tokens; how many
  double shortness_ = 1.0 / 128, outputs_ = 1;    ///< mean of 1 / (tokens - 1)
};

/// What a request was when its first byte came; `finished` reads it.
struct PaceMark {
  Instant at = Instant::never();
  double prefill = 0;  ///< seconds charged to the replica before
  double step = 0;     ///< of the batch it joined
};

class PrefillPace {
 public:
  /// Of the bound, that may be owed when the next prompt goes out.
  static constexpr double kAhead = 0.1;
  static constexpr double kPrior = 10, kMemory = 60;  ///< seconds of decoding
  static constexpr double kFastest = 0.125, kSlowest = 2;
  /// Faster than this share of what is expected is no decoding: the answer came all at once.
  static constexpr double kAtOnce = 1.0 / 32;

  void up(const StepCost& cost) { *this = {}, cost_ = cost; }
  /// Of the replica, what is ours, above 0: the others are taken to do in proportion.
  void part(double part) { part_ = part; }
  bool on(const PaceLaw& law) const {
    return cost_.prefill_token > 0 && cost_.decode(1, 0) * ratio() < law.bound_seconds();
  }
  /// A prompt goes to the replica, which then decodes `sequences` of `tokens` in all.
  void charge(std::int64_t prompt, std::int64_t sequences, std::int64_t tokens, const PaceLaw& law,
              Instant now) {
    const double takes = cost_.prefill(static_cast<double>(prompt)) / part_;
    prefill_ += takes;
    if (!on(law)) return;
    const double share =
        law.share(decode(sequences, tokens) * ratio(), cost_.prefill_token * ratio());
    paid_at_ = std::max(paid_at_, now) + seconds_f(takes * ratio() / share);
  }
  /// From when on the next prompt may go.
  Instant opens(const PaceLaw& law) const {
    return paid_at_ - seconds_f(kAhead * law.bound_seconds());
  }
  PaceMark mark(std::int64_t sequences, std::int64_t tokens, Instant now) const {
    return {now, prefill_, decode(sequences, tokens)};
  }
  void learn(const PaceMark& began, std::int64_t output, std::int64_t sequences,
             std::int64_t tokens, Instant now) {
    if (began.at.is_never() || output < 2 || !(cost_.prefill_token > 0)) return;
    const double step = (began.step + decode(sequences, tokens)) / 2;
    const double expected = step * static_cast<double>(output - 1) + (prefill_ - began.prefill);
    const double took = to_seconds(now - began.at);
    if (took < kAtOnce * expected) return;
    const double kept = kMemory / (kMemory + expected);
    expected_ = (expected_ + expected) * kept;
    took_ = (took_ + took) * kept;
    ratio_ = std::clamp((kPrior + took_) / (kPrior + expected_), kFastest, kSlowest);
  }
  /// Of the profile's time, what this replica takes.
  double ratio() const { return ratio_; }
  /// When what it was charged is paid: who opens first, whatever the law.
  Instant paid_at() const { return paid_at_; }

 private:
  /// Of all that it decodes, by our part of it.
  double decode(std::int64_t sequences, std::int64_t tokens) const {
    auto all = [this](std::int64_t n) {
      return static_cast<std::int64_t>(static_cast<double>(n) / part_);
    };
    return cost_.decode(all(sequences), all(tokens));
  }

  StepCost cost_;
  double part_ = 1;
  Instant paid_at_;
  double prefill_ = 0;  ///< seconds charged in all, as the profile says
  double took_ = 0, expected_ = 0, ratio_ = 1;
};

}  // namespace tidegate::route
