#pragma once
// Explain: every value of a model or scenario in force, and where it comes from.
//
//   for (const Explained& e : explain(loaded)) print(e.path, e.value, e.origin);
//
// Thread-safety: pure function.

#include <string>
#include <vector>

#include "format/scenario.h"
#include "format/spec_yaml.h"

namespace tidegate::format {

struct Explained {
  std::string path;
  std::string value;   ///< as one would write it; in parentheses: not set, and what holds instead
  std::string origin;  ///< "model.yaml:12", "default", "environment floor" or "metadata.name"
};

std::vector<Explained> explain(const LoadedModel& loaded);
/// Of the scenario alone; nothing where there is none.
std::vector<Explained> explain(const ScenarioFile& file);

}  // namespace tidegate::format
