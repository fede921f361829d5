#pragma once
// Answers of the API server for tests, in the words of a real one (kube-apiserver 1.33): Status
// objects for every way to fail. Thread-safety: values and pure functions.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "live/kube/testing/store.h"

namespace tidegate::live::kube {

struct Answer {
  int status = 200;
  nlohmann::json body;
  std::string text;                   ///< instead of `body`: text/plain
  std::vector<std::string> warnings;  ///< Warning headers
  int retry_after = -1;               ///< Retry-After, in seconds; negative: none
};

/// One field's fault, as Invalid answers list them.
struct Cause {
  std::string reason;  ///< FieldValueRequired, FieldValueInvalid, ...
  std::string message;
  std::string field;
};

Answer page_not_found();
Answer no_such_resource();
Answer failure(int code, std::string reason, std::string message, nlohmann::json details = nullptr);
Answer not_found(const ServedKind& kind, const std::string& name);
Answer already_exists(const ServedKind& kind, const std::string& name);
Answer conflict(const ServedKind& kind, const std::string& name);
Answer method_not_allowed();
Answer bad_request(std::string message);
Answer too_old(std::uint64_t version, std::uint64_t oldest);
Answer internal_error(const std::string& message);
/// `kind` as "Scale.autoscaling" or "Event".
Answer invalid(const std::string& group, const std::string& kind, const std::string& name,
               const std::vector<Cause>& causes);

}  // namespace tidegate::live::kube
