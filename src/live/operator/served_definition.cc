#include "live/operator/served_definition.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "format/spec_schema.h"
#include "live/kube/json_parts.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

using kube::part;
using nlohmann::json;

constexpr std::size_t kMostNamed = 5;
const json::json_pointer kOurSchema("/spec/versions/0/schema/openAPIV3Schema");
const json::json_pointer kTheirSchema("/components/schemas/dev.tidegate.v1alpha1.Model");

void compare(const json& theirs, const json& ours, const std::string& path,
             std::vector<std::string>& out) {
  if (part(theirs, "x-kubernetes-preserve-unknown-fields") == true) return;
  for (const char* within : {"items", "additionalProperties"}) {
    if (ours.contains(within) && theirs.contains(within)) {
      compare(part(theirs, within), part(ours, within), path, out);
    }
  }
  const json& known = part(theirs, "properties");
  for (const auto& [key, schema] : part(ours, "properties").items()) {
    const std::string at = fmt::format("{}.{}", path, key);
    if (known.contains(key)) {
      compare(known[key], schema, at, out);
    } else {
      out.push_back(at);
    }
  }
}

void erase(json& node, std::string_view path) {
  if (node.is_array()) {
    for (json& one : node) erase(one, path);
    return;
  }
  const auto dot = path.find('.');
  auto it = node.is_object() ? node.find(path.substr(0, dot)) : node.end();
  if (!node.is_object() || it == node.end()) return;
  if (dot == std::string_view::npos) {
    node.erase(it);
  } else {
    erase(*it, path.substr(dot + 1));
  }
}

std::string words_of(const std::vector<std::string>& lacks) {
  if (lacks.empty()) return "";
  std::string named;
  for (std::size_t i = 0; i < lacks.size() && i < kMostNamed; ++i) {
    named += (i == 0 ? "" : ", ") + lacks[i];
  }
  if (lacks.size() > kMostNamed) named += fmt::format(" and {} more", lacks.size() - kMostNamed);
  return "the CustomResourceDefinition on this server is of an older Tidegate and lacks " + named +
         ": what Models say there is dropped; tidegate schema --crd | kubectl apply -f -";
}

}  // namespace

std::vector<std::string> lacking(const json& theirs, const json& ours) {
  std::vector<std::string> out;
  for (const char* half : {"spec", "status"}) {
    compare(part(theirs, "properties", half), part(ours, "properties", half), half, out);
  }
  return out;
}

ServedDefinition::ServedDefinition(std::shared_ptr<kube::KubeClient> client)
    : client_(std::move(client)) {}

void ServedDefinition::look(Instant now) {
  if (asking_ || now < next_) return;
  asking_ = true;
  client_->call(kube::read("/openapi/v3/apis/tidegate.dev/v1alpha1"),
                [this, alive = std::weak_ptr(alive_)](const kube::ApiResult<json>& answer) {
                  if (alive.expired()) return;
                  asking_ = false;
                  next_ = client_->loop().now() + kAgain;
                  if (answer) return seen(*answer);
                  if (answer.error().code == 404) next_ = Instant::never();
                });
}

void ServedDefinition::seen(const json& openapi) {
  if (!openapi.is_object() || !openapi.contains(kTheirSchema)) return;
  const json ours = json::parse(format::crd_json());
  lacks_ = lacking(openapi.at(kTheirSchema), ours.at(kOurSchema));
  if (lacks_.empty()) next_ = client_->loop().now() + kEvery;
  std::string words = words_of(lacks_);
  if (words != warning_ && !words.empty()) {
    net::log(net::Level::kWarn, "definition of Models is outdated", {{"error", words}});
  }
  warning_ = std::move(words);
}

json ServedDefinition::kept(json status) const {
  constexpr std::string_view kStatus = "status.";
  for (const std::string& path : lacks_) {
    if (path.starts_with(kStatus)) erase(status, std::string_view(path).substr(kStatus.size()));
  }
  return status;
}

}  // namespace tidegate::live
