#include "core/route/shares.h"

#include <algorithm>
#include <numeric>

namespace tidegate::route {
namespace {

using Amounts = std::vector<std::int64_t>;

std::int64_t sum(const Amounts& amounts) {
  return std::accumulate(amounts.begin(), amounts.end(), std::int64_t{0});
}

/// The claims, the one of `turn` first.
std::vector<std::size_t> in_turn(std::size_t size, std::size_t turn) {
  std::vector<std::size_t> order(size);
  for (std::size_t i = 0; i < size; ++i) order[i] = (i + turn) % size;
  return order;
}

/// `amount` in proportion to the weights; what rounding leaves goes one by one to the largest
/// remainders. Exact: weights and amount are below 2^62.
Amounts in_proportion(std::int64_t amount, const Amounts& weights,
                      const std::vector<std::size_t>& order) {
  const std::int64_t all = sum(weights);
  Amounts out(weights.size(), 0);
  if (amount <= 0 || all <= 0) return out;
  Amounts left(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const __int128 part = static_cast<__int128>(amount) * weights[i];
    out[i] = static_cast<std::int64_t>(part / all);
    left[i] = static_cast<std::int64_t>(part % all);
  }
  std::vector<std::size_t> by_rest = order;
  std::stable_sort(by_rest.begin(), by_rest.end(),
                   [&](std::size_t a, std::size_t b) { return left[a] > left[b]; });
  std::int64_t rest = amount - sum(out);
  for (std::size_t i : by_rest) {
    if (rest-- <= 0) break;
    ++out[i];
  }
  return out;
}

/// What each should have, were it all free.
Amounts targets(std::int64_t whole, const Amounts& needs, const std::vector<std::size_t>& order) {
  const auto many = static_cast<std::int64_t>(needs.size());
  if (whole < many) {  // not one for each
    std::vector<std::size_t> by_need = order;
    std::stable_sort(by_need.begin(), by_need.end(),
                     [&](std::size_t a, std::size_t b) { return needs[a] > needs[b]; });
    Amounts out(needs.size(), 0);
    for (std::int64_t i = 0; i < whole; ++i) out[by_need[static_cast<std::size_t>(i)]] = 1;
    return out;
  }
  Amounts beyond(needs.size());  // of need, the first one aside
  for (std::size_t i = 0; i < needs.size(); ++i) {
    beyond[i] = std::max<std::int64_t>(0, needs[i] - 1);
  }
  const std::int64_t room = whole - many, wanted = sum(beyond);
  Amounts out = wanted > room ? in_proportion(room, beyond, order) : beyond;
  if (wanted < room) {
    const Amounts spare = in_proportion(room - wanted, Amounts(needs.size(), 1), order);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += spare[i];
  }
  for (std::int64_t& amount : out) ++amount;
  return out;
}

}  // namespace

std::vector<std::int64_t> share_out(std::int64_t whole, std::span<const Claim> claims,
                                    std::size_t turn) {
  // Sums of so many stay far from the end of the type.
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  whole = std::clamp<std::int64_t>(whole, 0, kMost);
  if (claims.empty()) return {};
  Amounts needs, committed;
  for (const Claim& claim : claims) {
    needs.push_back(std::clamp<std::int64_t>(claim.need, 0, kMost));
    committed.push_back(std::clamp<std::int64_t>(claim.committed, 0, kMost));
  }
  const std::vector<std::size_t> order = in_turn(claims.size(), turn);
  Amounts out = targets(whole, needs, order);
  Amounts raises(claims.size(), 0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    raises[i] = std::max<std::int64_t>(0, out[i] - committed[i]);
    out[i] = std::min(out[i], committed[i]);
  }
  const std::int64_t free = std::max<std::int64_t>(0, whole - sum(committed));
  // One for each who has none before anybody has more.
  std::int64_t left = std::min(free, sum(raises));
  for (std::size_t i : order) {
    if (left == 0 || out[i] > 0 || raises[i] == 0) continue;
    ++out[i], --raises[i], --left;
  }
  const Amounts granted = in_proportion(left, raises, order);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += granted[i];
  return out;
}

}  // namespace tidegate::route
