// Spec files and profiles: any bytes give diagnostics or models, never a throw, and models that
// validate.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "format/profile.h"
#include "format/spec_explain.h"
#include "format/spec_reader.h"
#include "format/spec_yaml.h"
#include "format/spec_zone.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  tidegate::format::SpecFile file = tidegate::format::load_spec(text, "fuzz.yaml");
  if (!file.ok() && !file.models.empty()) std::abort();
  if (file.ok() && file.models.empty()) std::abort();
  for (const auto& loaded : file.models) {
    if (tidegate::format::explain(loaded).empty()) std::abort();
  }
  (void)tidegate::format::parse_profile(text, "fuzz.yaml");
  (void)tidegate::format::parse_samples(text);
  (void)tidegate::format::parse_tzif(text);
  return 0;
}
