// Manifests of other autoscalers: any bytes give an error or a spec that `check` takes, with
// findings that are safe to show.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "exchange/import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidegate;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (auto kind : {exchange::ImportKind::kKeda, exchange::ImportKind::kHpa,
                    exchange::ImportKind::kKnative, exchange::ImportKind::kVariantAutoscaling}) {
    auto imported = exchange::import(kind, text, "fuzz.yaml");
    if (!imported) continue;
    if (!format::load_spec(imported->text, "imported.yaml").ok()) std::abort();
    for (const auto& d : imported->diagnostics) {
      bool safe = std::none_of(d.message.begin(), d.message.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      });
      if (!safe) std::abort();
    }
  }
  return 0;
}
