#pragma once
// Who wrote which field: managedFields as the API server for tests keeps them. Pure functions.
// Source: Kubernetes docs, "Server-Side Apply"; structured-merge-diff's FieldsV1.

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "live/kube/testing/answer.h"

namespace tidegate::live::kube {

/// "f:spec", "f:replicas"; an item of a keyed list is "k:{...}"; "." is the thing itself.
using FieldPath = std::vector<std::string>;
/// What an object says, field by field (null at ".").
std::map<FieldPath, nlohmann::json> fields_of(const ServedKind& kind, const nlohmann::json& object);

struct Writer {
  std::string manager, subresource;
};

/// Records an ordinary write (create, update, patch) in `after`'s managedFields.
void note_update(const ServedKind& kind, const nlohmann::json& before, nlohmann::json& after,
                 const Writer& writer);

/// Server-side apply of `config` onto `object` (null: it is new). False: in conflict, `causes` say
/// with whom; not where `force` is set.
bool apply_config(const ServedKind& kind, nlohmann::json& object, const nlohmann::json& config,
                  const Writer& writer, bool force, std::vector<Cause>& causes);

}  // namespace tidegate::live::kube
