#include "live/gateway/forwarding.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "live/gateway/answers.h"

namespace tidegate::live {
namespace {

using ascii::equal_ignoring_case;

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view n) { return ascii::equal_ignoring_case(n, name); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         ascii::equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool hop_by_hop(std::string_view name) {
  return one_of(name,
                {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}) ||
         starts_with_ignoring_case(name, "proxy-");
}

/// Whether the Connection field of this head names `name`.
bool nominated(const net::Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers.all()) {
    if (!ascii::equal_ignoring_case(key, "connection")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view word = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
      while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
      if (ascii::equal_ignoring_case(word, name)) return true;
    }
  }
  return false;
}

}  // namespace

net::Headers to_engine(const net::Headers& client, std::string_view upstream_key,
                       std::string_view request_id) {
  net::Headers out;
  for (const auto& [name, value] : client.all()) {
    if (hop_by_hop(name) || nominated(client, name)) continue;
    if (one_of(name, {"host", "content-length", "authorization", "expect", "accept-encoding",
                      "x-data-parallel-rank", kRequestIdHeader}) ||
        starts_with_ignoring_case(name, "x-tidegate-")) {
      continue;
    }
    out.add(name, value);
  }
  out.add(std::string(kRequestIdHeader), std::string(request_id));
  if (!upstream_key.empty()) out.add("Authorization", "Bearer " + std::string(upstream_key));
  return out;
}

net::Headers to_client(const net::Headers& engine, std::string_view request_id) {
  net::Headers out;
  for (const auto& [name, value] : engine.all()) {
    if (hop_by_hop(name) || nominated(engine, name) || ascii::equal_ignoring_case(name, "date") ||
        starts_with_ignoring_case(name, "x-tidegate-")) {
      continue;
    }
    out.add(name, value);
  }
  if (!out.has(kRequestIdHeader)) out.add(std::string(kRequestIdHeader), std::string(request_id));
  return out;
}

std::string_view bearer(const net::Headers& headers) {
  std::string_view value = headers.get("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (!starts_with_ignoring_case(value, kScheme)) return {};
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    char other = b.empty() ? '\0' : b[i % b.size()];
    differs = static_cast<unsigned char>(differs | static_cast<unsigned char>(a[i] ^ other));
  }
  return differs == 0;
}

int match_key(const std::vector<std::string>& keys, std::string_view given) {
  int found = -1;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (constant_time_equal(given, keys[i])) found = static_cast<int>(i);
  }
  return found;
}

bool sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace tidegate::live
