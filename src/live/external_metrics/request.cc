#include "live/external_metrics/request.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "live/external_metrics/samples.h"

namespace tidegate::live::external_metrics {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    auto slash = path.find('/');
    if (slash != 0) out.push_back(unescape_path(path.substr(0, slash)));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

std::string verb_of(std::string_view method, const Asked& asked) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kVerbs = {
      {{"POST", "create"}, {"PUT", "update"}, {"PATCH", "patch"}, {"DELETE", "delete"}}};
  if (method == "GET" || method == "HEAD") return asked.name.empty() ? "list" : "get";
  for (const auto& [name, verb] : kVerbs) {
    if (method == name) return std::string(verb);
  }
  return std::string(method);
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string unescape_path(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
    if (!escape) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
    i += 2;
  }
  return out;
}

Asked asked_by(const net::Request& request) {
  Asked out;
  out.path = request.path;
  auto words = words_of(request.path);
  const bool ours =
      words.size() > 3 && words[0] == "apis" && words[1] == kGroup && words[2] == kVersion;
  if (ours) {
    std::size_t at = 3;
    if (words[at] == "namespaces" && words.size() > at + 2) {
      out.ns = words[at + 1];
      at += 2;
    }
    out.resource = words[at];
    if (words.size() > at + 1) out.name = words[at + 1];
    for (std::size_t i = at + 2; i < words.size(); ++i) out.name += "/" + words[i];
  }
  out.verb = out.is_resource() ? verb_of(request.method, out) : lower(request.method);
  return out;
}

}  // namespace tidegate::live::external_metrics
