#pragma once
// What an API server for tests finds wrong with an object, and what it adds: defaults. Of custom
// kinds by their schema (types, required, bounds, patterns, pruning, defaults), of built-in kinds
// the faults that clients meet (leases, events, definitions). CEL rules: comparisons of two fields,
// with has(), as our own definitions use. Pure functions. Source: Kubernetes docs, "Extend the
// Kubernetes API with CustomResourceDefinitions"; recorded answers of kube-apiserver 1.33.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "live/kube/testing/answer.h"

namespace tidegate::live::kube {

/// Fills defaults in, drops what the schema does not know (told in `unknown`, as paths).
void complete(const ServedKind& kind, nlohmann::json& object, std::vector<std::string>& unknown);
/// A body that cannot be read as its kind at all: 400.
std::optional<Answer> undecodable(const ServedKind& kind, const nlohmann::json& object);
std::vector<Cause> faults(const ServedKind& kind, const nlohmann::json& object);

}  // namespace tidegate::live::kube
