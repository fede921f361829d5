#pragma once
// What is generated from the option table: JSON Schema, CRD, and docs/configuration.md.
//
// The schema is structural but for keys that take a text or a map (spreads), so that it can be a
// CRD's; the CRD carries no defaults, which would freeze today's in stored objects. Thread-safety:
// pure functions. Source: JSON Schema draft 2020-12; Kubernetes apiextensions.k8s.io/v1.

#include <string>

namespace tidegate::format {

std::string json_schema();             ///< of a document of kind Model, indented
std::string scenario_json_schema();    ///< of a document in a scenario file: Scenario or Model
std::string crd_yaml();                ///< CustomResourceDefinition models.tidegate.dev
std::string crd_json();                ///< the same, compact
std::string configuration_markdown();  ///< docs/configuration.md
std::string scenario_markdown();       ///< the keys of a Scenario, in docs/scenarios.md

}  // namespace tidegate::format
