#pragma once
// Documents: what every kind of document has around its `spec:`, and finding the place of a key.
// Shared by format/spec_yaml.cc (Model) and format/scenario.cc (Scenario).
//
//   check_head(document.root, kModelKind, reader);
//   read_metadata(document.root, model.name, reader);
//
// Faults go to the Reader. Thread-safety: functions.

#include <map>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "format/spec_reader.h"
#include "format/spec_tree.h"

namespace tidegate::format {

inline constexpr std::string_view kApiVersion = "tidegate.dev/v1alpha1";
inline constexpr std::string_view kModelKind = "Model";
inline constexpr std::string_view kScenarioKind = "Scenario";

bool is_kind(const Node& root, std::string_view kind);
/// apiVersion, kind, and no keys that do not belong there.
void check_head(const Node& root, std::string_view kind, Reader& reader);
void read_metadata(const Node& root, std::string& name, Reader& reader);
/// metadata.namespace; null where it is not given. One that is no name is a fault, and null.
const Node* metadata_namespace(const Node& root, Reader& reader);
/// The place of the nearest key that was written, from `path` outwards.
Position place(const std::map<std::string, Position>& positions, std::string path,
               Position otherwise);
/// At most a little over kMaxSpecBytes: a larger file is refused by its parser.
Result<std::string> read_file(const std::string& path);

}  // namespace tidegate::format
