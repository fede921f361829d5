#include "live/external_metrics/request.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/base/ascii.h"
#include "live/external_metrics/samples.h"
#include "live/net/percent.h"

namespace tidegate::live::external_metrics {
namespace {

std::vector<std::string> words_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    auto slash = path.find('/');
    if (slash != 0) out.push_back(net::percent_decode(path.substr(0, slash)));
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
  out.verb = out.is_resource() ? verb_of(request.method, out) : ascii::lower(request.method);
  return out;
}

}  // namespace tidegate::live::external_metrics
