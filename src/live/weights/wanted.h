#pragma once
// WantedSet: a set of weights that somebody wants in the cache, and files that name some.
//
//   auto sets = read_wanted(text, "file:///etc/weights.yaml");
//
// A file is YAML (or JSON) documents: each `{from: SOURCE, name: NAME}`, the name optional, or a
// manifest of its own (file_list.h). Thread-safety: values and pure functions.

#include <string>
#include <vector>

#include "live/weights/file_list.h"

namespace tidegate::live::weights {

inline constexpr std::size_t kMaxWanted = 1'000;

/// Of sources, or of a list that was read already.
struct WantedSet {
  std::string name;  ///< empty: the list's, else made of the source
  std::vector<std::string> sources;
  FileList list;               ///< not empty: instead of sources
  std::string source() const;  ///< as shown and recorded: no secrets
  bool operator==(const WantedSet&) const = default;
};

Result<std::string> name_of(const WantedSet& wanted);
/// `at`: the file's own URL, for relative ones. Names differ from each other.
Result<std::vector<WantedSet>> read_wanted(const std::string& text, const std::string& at);

}  // namespace tidegate::live::weights
