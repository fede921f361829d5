#pragma once
// Validation of whole models: contradictions (errors), and what is legal but unwise (warnings).
//
// Single values are held against their row by options.h; here are the rules between values. A
// Finding names the path of the key it is about; format maps it to line and column. Thread-safety:
// pure functions.
//
//   for (const Finding& f : validate(model, facts)) print(f.path, f.message);

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/spec/model.h"

namespace tidegate::spec {

struct Finding {
  bool error = true;  ///< false: a warning
  std::string path;   ///< "spec.variants[0].minReplicas"
  std::string message;
  bool operator==(const Finding&) const = default;
};

/// What a model alone does not know: the maxNumSeqs of each profile by name, where it could be
/// read.
struct Facts {
  std::map<std::string, std::int64_t> profile_max_num_seqs;
};

/// Errors first, then warnings, each in the order of the spec.
std::vector<Finding> validate(const Model& model, const Facts& facts);
/// Names that may exist only once over all models of a run; the findings of models[i] are in
/// result[i].
std::vector<std::vector<Finding>> validate_together(std::span<const Model* const> models);

/// The 90th percentile of order -> first token, summed over the stages (an upper estimate).
Duration cold_start_p90(const ColdStart& cold);

/// Why the target has no standbys in the state of the variant's warm pool, so that `run` refuses
/// it; empty where it has, and where there is no pool or no target.
std::string cannot_stand_by(const Variant& variant);

// The two halves of validate().
void find_contradictions(const Model& model, std::vector<Finding>& out);
void find_unwise(const Model& model, const Facts& facts, std::vector<Finding>& out);

}  // namespace tidegate::spec
