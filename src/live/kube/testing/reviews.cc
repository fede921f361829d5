// TokenReview and SubjectAccessReview of the API server for tests: who shows a token that it takes
// is the cluster's owner, and everybody may do everything. Tests of refusals answer themselves
// (ApiServer::fault).
#include "live/kube/testing/api_server.h"

namespace tidegate::live::kube {

using nlohmann::json;

std::optional<Answer> ApiServer::review(const net::Request& request) const {
  const bool token = request.path == "/apis/authentication.k8s.io/v1/tokenreviews";
  const bool access = request.path == "/apis/authorization.k8s.io/v1/subjectaccessreviews";
  if (request.method != "POST" || !(token || access)) return std::nullopt;
  json body = json::parse(request.body, nullptr, false);
  if (!body.is_object() || !body["spec"].is_object()) return bad_request("no spec to review");
  if (access) {
    body["status"] = {{"allowed", true}};
    return Answer{201, body, "", {}};
  }
  const std::string shown = body["spec"].value("token", "");
  const bool known = tokens.empty() ? !shown.empty() : tokens.contains(shown);
  body["status"] = {{"authenticated", known}};
  if (known) {
    body["status"]["user"] = {{"username", "tester"},
                              {"groups", {"system:masters", "system:authenticated"}}};
  }
  return Answer{201, body, "", {}};
}

}  // namespace tidegate::live::kube
