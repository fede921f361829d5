#include "live/kube/api.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "live/kube/json_parts.h"
#include "live/net/percent.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxQuoted = 300;  // of a body that is no Status

ApiCall call_to(const Resource& of, std::string verb, std::string method, std::string_view name,
                std::string_view subresource) {
  ApiCall out;
  out.verb = std::move(verb);
  out.method = std::move(method);
  out.ns = of.ns;
  out.resource = of.plural;
  if (!subresource.empty()) out.resource += "/" + std::string(subresource);
  if (std::string group = of.group(); !group.empty()) out.resource += "." + group;
  out.path = of.path();
  if (!name.empty()) out.path += "/" + net::percent_encode(name);
  if (!subresource.empty()) out.path += "/" + std::string(subresource);
  return out;
}

void add_query(ApiCall& call, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  if (!call.query.empty()) call.query += '&';
  call.query += std::string(name) + "=" + net::percent_encode(value);
}

std::string place(const ApiCall& call) { return call.ns.empty() ? "" : " in namespace " + call.ns; }

/// What to do about it; empty where the server's own words are all there is to say.
std::string fix(const ApiCall& call, const ApiError& error, const std::string& said) {
  switch (error.code) {
    case 401:
      return "the credentials are refused: is the token expired, or of another cluster?";
    case 403: {
      // "deployments/scale.apps": RBAC wants resource and group apart.
      std::string resource = call.resource, group;
      if (auto dot = resource.find('.'); dot != std::string::npos) {
        group = resource.substr(dot + 1);
        resource.resize(dot);
      }
      if (resource.empty()) return "grant it by a ClusterRole with nonResourceURLs";
      // Who reads a scale writes it next.
      const bool reads_scale = call.verb == "get" && resource.ends_with("/scale");
      return fmt::format(
          "grant it: a Role{} with apiGroups [\"{}\"], resources [\"{}\"], verbs [{}], bound to "
          "this account",
          place(call), group, resource, reads_scale ? R"("get", "patch")" : '"' + call.verb + '"');
    }
    case 404:
      if (call.resource.find("/scale") == std::string::npos) return "";
      // A missing object is named; of a missing path a server says no more than this, or nothing.
      return said.empty() || said.find("the requested resource") != std::string::npos
                 ? "that kind has no scale subresource"
                 : "is the target's name right, and its namespace?";
    case 409:
      return error.conflict() ? "somebody else wrote in between" : "";
    case 429:
      return "the server is throttling (API Priority and Fairness)";
    default:
      return "";
  }
}

ApiError with_words(const ApiCall& call, ApiError error, const std::string& said) {
  std::string todo = fix(call, error, said);
  error.message = fmt::format(
      "{} {}{}: {}{}{}", call.verb, call.resource.empty() ? call.path : call.resource, place(call),
      said.empty() ? fmt::format("status {}", error.code) : said, todo.empty() ? "" : "; ", todo);
  return error;
}

}  // namespace

std::string Resource::group() const {
  auto slash = api_version.find('/');
  return slash == std::string::npos ? "" : api_version.substr(0, slash);
}

std::string Resource::path() const {
  std::string out = (group().empty() ? "/api/" : "/apis/") + api_version;
  if (!ns.empty()) out += "/namespaces/" + net::percent_encode(ns);
  return plural.empty() ? out : out + "/" + plural;
}

ApiCall get(const Resource& of, std::string_view name, std::string_view subresource) {
  return call_to(of, "get", "GET", name, subresource);
}

ApiCall list(const Resource& of, std::string_view selector, int limit, std::string_view token) {
  ApiCall call = call_to(of, "list", "GET", "", "");
  add_query(call, "labelSelector", selector);
  if (limit > 0) add_query(call, "limit", std::to_string(limit));
  add_query(call, "continue", token);
  return call;
}

ApiCall watch(const Resource& of, std::string_view selector, std::string_view resource_version,
              Duration server_timeout) {
  ApiCall call = call_to(of, "watch", "GET", "", "");
  add_query(call, "watch", "1");
  add_query(call, "labelSelector", selector);
  add_query(call, "resourceVersion", resource_version);
  add_query(call, "allowWatchBookmarks", "true");
  auto whole = std::max<std::int64_t>(1, server_timeout.count() / 1'000'000'000);
  add_query(call, "timeoutSeconds", std::to_string(whole));
  call.timeout = Duration(0);
  return call;
}

ApiCall create(const Resource& of, const json& object) {
  ApiCall call = call_to(of, "create", "POST", "", "");
  call.body = object.dump();
  call.content_type = "application/json";
  return call;
}

ApiCall replace(const Resource& of, std::string_view name, const json& object,
                std::string_view subresource) {
  ApiCall call = call_to(of, "update", "PUT", name, subresource);
  call.body = object.dump();
  call.content_type = "application/json";
  return call;
}

ApiCall patch(const Resource& of, std::string_view name, PatchType type, const json& change,
              std::string_view subresource, std::string_view field_manager,
              std::string_view force) {
  ApiCall call = call_to(of, "patch", "PATCH", name, subresource);
  switch (type) {
    case PatchType::kMerge:
      call.content_type = "application/merge-patch+json";
      break;
    case PatchType::kJson:
      call.content_type = "application/json-patch+json";
      break;
    case PatchType::kApply:
      call.content_type = "application/apply-patch+yaml";  // JSON is YAML
      break;
  }
  add_query(call, "fieldManager", field_manager);
  add_query(call, "force", force);
  call.body = change.dump();
  return call;
}

ApiCall remove(const Resource& of, std::string_view name) {
  return call_to(of, "delete", "DELETE", name, "");
}

ApiCall read(std::string_view path) {
  ApiCall call;
  call.path = path;
  return call;
}

ApiCall kinds(const std::string& api_version) { return read(Resource{api_version, "", ""}.path()); }

std::map<std::string, ServedAs> kinds_in(const json& list) {
  std::map<std::string, ServedAs> out;
  std::set<std::string> names;  // a subresource is named "deployments/scale"
  for (const json& one : part(list, "resources")) {
    std::string name = text(one, "name");
    if (name.find('/') == std::string::npos) out[text(one, "kind")].plural = name;
    names.insert(std::move(name));
  }
  for (auto& [kind, served] : out) served.scales = names.contains(served.plural + "/scale");
  return out;
}

ApiError error_of(const ApiCall& call, const json& status) {
  ApiError error;
  error.code = static_cast<int>(whole_number(status, "code").value_or(0));
  error.reason = text(status, "reason");
  const auto wait = whole_number(part(status, "details"), "retryAfterSeconds").value_or(-1);
  if (wait >= 0 && wait < 86'400) error.retry_after = seconds(wait);
  return with_words(call, std::move(error), text(status, "message"));
}

ApiError error_of(const ApiCall& call, int status, std::string_view body,
                  std::string_view retry_after_header) {
  json parsed = json::parse(body, nullptr, false);
  ApiError error;
  if (text(parsed, "kind") == "Status") {
    error = error_of(call, parsed);
    error.code = status;
  } else {
    std::string said(body.substr(0, kMaxQuoted));
    while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
    error.code = status;
    error = with_words(call, std::move(error), said);
  }
  int wait = -1;
  auto end = retry_after_header.data() + retry_after_header.size();
  auto [at, bad] = std::from_chars(retry_after_header.data(), end, wait);
  if (bad == std::errc{} && at == end && wait >= 0 && wait < 86'400) {
    error.retry_after = seconds(wait);
  }
  return error;
}

ApiError no_answer(const ApiCall& call, const std::string& server, std::string_view what) {
  ApiError error;
  std::string todo;
  if (what.find("TLS: ") != std::string_view::npos) {
    todo = "; does the certificate authority given belong to this server?";
  }
  error.message = fmt::format("{} {}{}: no answer from {}: {}{}", call.verb,
                              call.resource.empty() ? call.path : call.resource, place(call),
                              server, what, todo);
  return error;
}

}  // namespace tidegate::live::kube
