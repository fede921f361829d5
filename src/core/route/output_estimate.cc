#include "core/route/output_estimate.h"

#include <bit>

namespace tidegate::route {
namespace {

constexpr std::int64_t kMostOutput = 1LL << 40;  ///< of one request; beyond is nonsense
constexpr std::uint16_t kMostWorth = 64;         ///< strangers a tenant's cell withstands

/// 1 / n, and n / (n + kPrior): what the n-th value moves a mean, what a mean of n is believed.
struct Weights {
  std::array<double, OutputEstimate::kMemory + 1> gain{}, trust{};
  constexpr Weights() {
    for (std::uint32_t n = 1; n < gain.size(); ++n) {
      gain[n] = 1.0 / n;
      trust[n] = static_cast<double>(n) / (n + OutputEstimate::kPrior);
    }
  }
};
constexpr Weights kWeights;

/// Of a mean or a cell.
template <class Of>
void add_to(Of& of, double tokens, double part) {
  if (of.seen < OutputEstimate::kMemory) ++of.seen;
  const double gain = kWeights.gain[of.seen];
  of.length += (tokens - of.length) * gain;
  of.share += (part - of.share) * gain;
}

double shrink(double own, std::uint32_t seen, double above) {
  return above + (own - above) * kWeights.trust[seen];
}

}  // namespace

std::size_t OutputEstimate::size_of(std::int64_t prompt) {
  auto tokens = static_cast<std::uint64_t>(std::max<std::int64_t>(prompt, 0));
  return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(tokens)), kSizes - 1);
}

/// Tenants are hashes already: one multiplication (Knuth 6.4) sends their sizes to places apart.
std::uint64_t OutputEstimate::key_of(const Ask& ask) {
  const std::uint64_t kind = 2 * size_of(ask.prompt) + (ask.max_output > 0 ? 1 : 0);
  return (ask.tenant + (kind << 48)) * 0x9E3779B97F4A7C15ULL;
}

OutputEstimate::Reading OutputEstimate::read(const Ask& ask) const {
  const std::size_t limited = ask.max_output > 0 ? 1 : 0;
  const Mean& all = all_[limited];
  const Mean& size = sizes_[limited][size_of(ask.prompt)];
  Reading out{shrink(size.length, size.seen, all.length), shrink(size.share, size.seen, all.share)};
  if (ask.tenant == 0) return out;
  const std::uint64_t key = key_of(ask);
  const Cell& cell = cells_[place_of(key)];
  if (cell.key != key) return out;
  return {shrink(cell.length, cell.seen, out.length), shrink(cell.share, cell.seen, out.share)};
}

std::int64_t OutputEstimate::expect(const Ask& ask) const {
  const bool limited = ask.max_output > 0;
  if (all_[limited ? 1 : 0].seen < kEnough) {
    return limited && ask.max_output <= kHugeOutput ? ask.max_output : kDefaultOutput;
  }
  const Reading reading = read(ask);
  const double tokens = limited && share_error_ <= length_error_
                            ? reading.share * static_cast<double>(ask.max_output)
                            : reading.length;
  // Rounded up, but not for what lies within the rounding of a mean.
  const auto whole = static_cast<std::int64_t>(tokens + 0.999);
  return std::clamp<std::int64_t>(whole, 1, limited ? ask.max_output : kMostOutput);
}

void OutputEstimate::learn(const Ask& ask, std::int64_t output) {
  if (output <= 0) return;
  const auto tokens = static_cast<double>(std::min(output, kMostOutput));
  double part = 0;
  if (ask.max_output > 0) {
    const auto limit = static_cast<double>(std::min(ask.max_output, kMostOutput));
    part = std::min(1.0, tokens / limit);
    const Reading reading = read(ask);
    auto fold = [tokens, limit](std::int64_t& mean, double guess) {
      const double error = std::min(guess, limit) - tokens;
      mean += (static_cast<std::int64_t>(256 * (error < 0 ? -error : error)) - mean) >> 8;
    };
    fold(length_error_, reading.length);
    fold(share_error_, reading.share * limit);
  }
  const std::size_t limited = ask.max_output > 0 ? 1 : 0;
  add_to(all_[limited], tokens, part);
  add_to(sizes_[limited][size_of(ask.prompt)], tokens, part);
  if (ask.tenant == 0) return;
  const std::uint64_t key = key_of(ask);
  Cell& cell = cells_[place_of(key)];
  if (cell.key != key) {
    if (cell.worth > 0 && --cell.worth > 0) return;
    cell = {.key = key};
  }
  if (cell.worth < kMostWorth) ++cell.worth;
  add_to(cell, tokens, part);
}

}  // namespace tidegate::route
