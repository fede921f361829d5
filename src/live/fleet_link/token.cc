#include "live/fleet_link/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "live/gateway/forwarding.h"

namespace tidegate::live::link {
namespace {

constexpr std::string_view kScheme = "Bearer ";

}  // namespace

Result<std::string> read_token(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(fmt::format("{}: {}", file, std::strerror(errno)));
  std::string text(kMaxTokenBytes + 1, 0);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxTokenBytes) {
    return fail(fmt::format("{}: longer than {} bytes", file, kMaxTokenBytes));
  }
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return fail(file + ": empty; write a token into it");
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  const bool visible =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
  if (!visible) return fail(file + ": a token is one word of visible ASCII");
  return text;
}

bool shows_token(std::string_view authorization, std::string_view token) {
  if (authorization.substr(0, kScheme.size()) != kScheme) return false;
  return constant_time_equal(authorization.substr(kScheme.size()), token);
}

std::string authorization_of(std::string_view token) { return std::string(kScheme).append(token); }

}  // namespace tidegate::live::link
