#include "core/route/output_estimate.h"

#include <bit>

namespace tidegate::route {
namespace {

constexpr std::int64_t kMostOutput = 1LL << 40;  ///< of one request; beyond is nonsense
constexpr std::int64_t kMostWorth = 64;          ///< strangers a tenant's cell withstands

double shrink(double own, double seen, double above) {
  return (own * seen + above * OutputEstimate::kPrior) / (seen + OutputEstimate::kPrior);
}

}  // namespace

void OutputEstimate::Mean::add(double tokens, double part) {
  seen = std::min(seen + 1, kMemory);
  length += (tokens - length) / seen;
  share += (part - share) / seen;
}

std::size_t OutputEstimate::size_of(std::int64_t prompt) {
  auto tokens = static_cast<std::uint64_t>(std::max<std::int64_t>(prompt, 0));
  return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(tokens)), kSizes - 1);
}

/// Mixed as in splitmix64 (Steele et al. 2014): near tenants and sizes fall far apart.
std::uint64_t OutputEstimate::key_of(const Ask& ask) {
  std::uint64_t key =
      ask.tenant + 0x9E3779B97F4A7C15ULL * (2 * size_of(ask.prompt) + (ask.max_output > 0 ? 1 : 0));
  key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ULL;
  key = (key ^ (key >> 27)) * 0x94D049BB133111EBULL;
  return (key ^ (key >> 31)) | 1;
}

OutputEstimate::Reading OutputEstimate::read(const Ask& ask) const {
  const std::size_t limited = ask.max_output > 0 ? 1 : 0;
  const Mean& all = all_[limited];
  const Mean& size = sizes_[limited][size_of(ask.prompt)];
  Reading out{shrink(size.length, size.seen, all.length), shrink(size.share, size.seen, all.share)};
  if (ask.tenant == 0) return out;
  const std::uint64_t key = key_of(ask);
  const Cell& cell = cells_[(key >> 1) % kCells];
  if (cell.key != key) return out;
  return {shrink(cell.mean.length, cell.mean.seen, out.length),
          shrink(cell.mean.share, cell.mean.seen, out.share)};
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
    const auto limit = static_cast<double>(ask.max_output);
    part = std::min(1.0, tokens / limit);
    const Reading reading = read(ask);
    auto off = [tokens, limit](double guess) {
      const double error = std::min(guess, limit) - tokens;
      return error < 0 ? -error : error;
    };
    const double gain = 1 / std::min(all_[1].seen + 1, kMemory);
    length_error_ += gain * (off(reading.length) - length_error_);
    share_error_ += gain * (off(reading.share * limit) - share_error_);
  }
  const std::size_t limited = ask.max_output > 0 ? 1 : 0;
  all_[limited].add(tokens, part);
  sizes_[limited][size_of(ask.prompt)].add(tokens, part);
  if (ask.tenant == 0) return;
  const std::uint64_t key = key_of(ask);
  Cell& cell = cells_[(key >> 1) % kCells];
  if (cell.key != key) {
    if (--cell.worth > 0) return;
    cell = {.key = key};
  }
  cell.worth = std::min(cell.worth + 1, kMostWorth);
  cell.mean.add(tokens, part);
}

}  // namespace tidegate::route
