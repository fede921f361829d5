#include "exchange/diff.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tidegate::exchange {
namespace {

using Lines = std::vector<std::string_view>;
constexpr std::size_t kContext = 2;  // lines shown around a change

Lines lines_of(std::string_view text) {
  Lines out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

struct Edit {
  char mark;  // ' ', '-' or '+'
  std::string_view line;
};

/// By the table of the longest common subsequence of what is left.
std::vector<Edit> edits(const Lines& a, const Lines& b) {
  std::vector<Edit> out;
  if (a.size() > kMaxDiffLines || b.size() > kMaxDiffLines) {
    for (auto line : a) out.push_back({'-', line});
    for (auto line : b) out.push_back({'+', line});
    return out;
  }
  const std::size_t width = b.size() + 1;
  std::vector<std::uint16_t> common((a.size() + 1) * width, 0);
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      std::uint16_t skip = std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
      bool same = a[i] == b[j];
      common[i * width + j] =
          same ? static_cast<std::uint16_t>(common[(i + 1) * width + j + 1] + 1) : skip;
    }
  }
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out.push_back({' ', a[i++]});
      ++j;
    } else if (j == b.size() ||
               (i < a.size() && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
  return out;
}

}  // namespace

std::string diff(std::string_view before, std::string_view after, std::string_view name) {
  if (before == after) return "";
  std::vector<Edit> all = edits(lines_of(before), lines_of(after));
  std::string out = "--- " + std::string(name) + "\n+++ " + std::string(name) + "\n";
  std::size_t last = all.size();  // index of the line shown last
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::size_t from = i > kContext ? i - kContext : 0;
    std::size_t to = std::min(i + kContext + 1, all.size());
    bool near = std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from),
                            all.begin() + static_cast<std::ptrdiff_t>(to),
                            [](const Edit& e) { return e.mark != ' '; });
    if (!near) continue;
    if (last != all.size() && last + 1 != i) out += "@@\n";
    out += all[i].mark + std::string(all[i].line) + "\n";
    last = i;
  }
  return out;
}

}  // namespace tidegate::exchange
