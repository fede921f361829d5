#pragma once
// ModelObject: a Model as the API server holds it, read as `tidegate check` reads a file.
//
//   ModelObject model = read_model(object, {.qualified = false});
//   if (!model.loaded) say(model.faults);       // in check's words
//
// Two things come from the object besides its spec: target.kubernetes.namespace is the Model's own
// where none is given, and the annotation tidegate.dev/paused pauses like scaling.paused. What is
// kept as the document (journal, tape) has both written in. Pure but for profile names, which are
// not looked up here. Thread-safety: functions.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/base/time.h"
#include "format/spec_yaml.h"

namespace tidegate::live {

/// Any value but "false" pauses: who writes it means to stop us.
inline constexpr const char* kPausedAnnotation = "tidegate.dev/paused";

/// How Models are named, and what they may ask of the machine Tidegate runs on.
struct ModelRules {
  bool qualified = false;  ///< NAMESPACE/NAME: several namespaces are followed
  bool trusted = false;    ///< may run commands, read files, scale in other namespaces
};

struct ModelObject {
  std::string ns, name, uid;
  std::string model;  ///< what the run calls it
  std::int64_t generation = 0;
  WallTime created;
  std::optional<format::LoadedModel> loaded;
  std::string faults;    ///< why it is not loaded, one a line
  std::string warnings;  ///< legal but unwise, one a line
  std::string status;    ///< as found, JSON; empty: none
};

ModelObject read_model(const nlohmann::json& object, const ModelRules& rules);

/// What whoever may write Models must not reach through Tidegate: its commands, files, environment
/// and rights in other namespaces. Empty: nothing of that.
std::string overreach(const spec::Model& model, const std::string& ns);

}  // namespace tidegate::live
