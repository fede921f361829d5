// Did you mean: the nearest of a few known words.

#include <algorithm>
#include <vector>

#include "core/base/ascii.h"
#include "format/spec_value.h"

namespace tidegate::format {
namespace {

std::string squeeze(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 80)) {
    if (c == '_' || c == '-' || c == ' ') continue;
    out += ascii::lower(c);
  }
  return out;
}

/// Optimal string alignment: insert, delete, replace, swap of neighbours.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + same});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string suggest(std::string_view seen, const std::vector<std::string_view>& candidates) {
  std::string wanted = squeeze(seen);
  std::string best;
  std::size_t best_edits = std::max<std::size_t>(1, wanted.size() / 3);
  for (std::string_view candidate : candidates) {
    std::size_t n = edits(wanted, squeeze(candidate));
    if (n < best_edits + (best.empty() ? 1 : 0)) {
      best_edits = n;
      best = candidate;
    }
  }
  // Two words that share nothing are no suggestion, however short.
  return best_edits >= std::max(wanted.size(), best.size()) ? "" : best;
}

}  // namespace tidegate::format
