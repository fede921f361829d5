#include "live/kube/testing/answer.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

json named(const ServedKind& kind, const std::string& name) {
  json details = {{"name", name}};
  if (!kind.group.empty()) details["group"] = kind.group;
  details["kind"] = kind.plural;
  return details;
}

}  // namespace

Answer failure(int code, std::string reason, std::string message, json details) {
  json body = {{"kind", "Status"},
               {"apiVersion", "v1"},
               {"metadata", json::object()},
               {"status", "Failure"},
               {"message", std::move(message)},
               {"code", code}};
  if (!reason.empty()) body["reason"] = std::move(reason);
  if (!details.is_null()) body["details"] = std::move(details);
  return {code, std::move(body), "", {}};
}

Answer page_not_found() { return {404, nullptr, "404 page not found\n", {}}; }
Answer no_such_resource() {
  return failure(404, "NotFound", "the server could not find the requested resource",
                 json::object());
}
Answer not_found(const ServedKind& kind, const std::string& name) {
  return failure(404, "NotFound", kind.qualified() + " \"" + name + "\" not found",
                 named(kind, name));
}
Answer already_exists(const ServedKind& kind, const std::string& name) {
  return failure(409, "AlreadyExists", kind.qualified() + " \"" + name + "\" already exists",
                 named(kind, name));
}
Answer conflict(const ServedKind& kind, const std::string& name) {
  return failure(409, "Conflict",
                 "Operation cannot be fulfilled on " + kind.qualified() + " \"" + name +
                     "\": the object has been modified; please apply your changes to the latest "
                     "version and try again",
                 named(kind, name));
}
Answer method_not_allowed() {
  return failure(405, "MethodNotAllowed",
                 "the server does not allow this method on the requested resource", json::object());
}
Answer bad_request(std::string message) { return failure(400, "BadRequest", std::move(message)); }
Answer too_old(std::uint64_t version, std::uint64_t oldest) {
  return failure(
      410, "Expired",
      "too old resource version: " + std::to_string(version) + " (" + std::to_string(oldest) + ")");
}
Answer internal_error(const std::string& message) {
  return failure(500, "InternalError", "Internal error occurred: " + message,
                 {{"causes", json::array({{{"message", message}}})}});
}

Answer invalid(const std::string& group, const std::string& kind, const std::string& name,
               const std::vector<Cause>& causes) {
  std::string said;
  json listed = json::array();
  for (const Cause& cause : causes) {
    said += (said.empty() ? "" : ", ") + cause.field + ": " + cause.message;
    listed.push_back(
        {{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
  }
  if (causes.size() > 1) said = "[" + said + "]";
  json details = {{"kind", kind}, {"causes", listed}};
  if (!name.empty()) details["name"] = name;
  if (!group.empty()) details["group"] = group;
  std::string what = group.empty() ? kind : kind + "." + group;
  return failure(422, "Invalid", what + " \"" + name + "\" is invalid: " + said, details);
}

}  // namespace tidegate::live::kube
