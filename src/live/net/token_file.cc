#include "live/net/token_file.h"

#include <fstream>

namespace tidegate::net {
namespace {

constexpr std::size_t kMaxTokenBytes = 16u << 10;

}  // namespace

std::string add_bearer(const std::string& path, Headers& headers) {
  if (path.empty()) return "";
  const std::string name = "bearerTokenFile " + path;
  std::ifstream file(path);
  if (!file) return name + " cannot be read";
  std::string token(kMaxTokenBytes, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(file.gcount()));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.pop_back();
  }
  if (token.empty()) return name + " is empty";
  if (token.find_first_of("\r\n") != std::string::npos) return name + " holds more than one line";
  headers.add("Authorization", "Bearer " + token);
  return "";
}

}  // namespace tidegate::net
