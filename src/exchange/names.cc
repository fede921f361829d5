#include "exchange/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ascii.h"

namespace tidegate::exchange {

bool is_label(std::string_view text) {
  auto inner = [](char c) { return ascii::is_lower_or_digit(c) || c == '-'; };
  return !text.empty() && text.size() <= kMaxLabel && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), inner);
}

Result<std::string> label(const std::vector<std::string_view>& parts) {
  std::string out;
  for (std::string_view part : parts) {
    if (!out.empty() && !part.empty()) out += '-';
    out += part;
  }
  if (is_label(out)) return out;
  if (out.size() > kMaxLabel) {
    return fail(
        fmt::format("the name \"{}\" has {} characters and Kubernetes takes {}; shorten "
                    "metadata.name or the variant's name",
                    out, out.size(), kMaxLabel));
  }
  return fail(
      fmt::format("the name \"{}\" is none Kubernetes takes (a-z, 0-9 and '-', a letter or "
                  "digit at both ends); rename it in the spec",
                  out));
}

std::string metric_name(const std::vector<std::string_view>& parts) {
  std::string out;
  for (std::string_view part : parts) {
    if (!out.empty()) out += '_';
    for (char c : part) {
      bool fits = ascii::is_alphanumeric(c);
      out += fits ? c : '_';
    }
  }
  return out;
}

Result<Place> place_of(const spec::Model& model, const spec::Variant& variant) {
  Place out;
  if (auto* target = std::get_if<spec::KubernetesTarget>(&variant.target)) {
    out = {target->ns, target->api_version, target->kind, target->name, false};
  } else {
    bool alone = model.variants.size() == 1;
    auto name = label({model.name, alone ? "" : std::string_view(variant.name)});
    if (!name) return fail(name.error());
    out.name = *name;
    out.assumed = true;
  }
  if (auto fits = label({out.name}); !fits) return fail(fits.error());
  if (auto fits = label({out.ns}); !fits) return fail(fits.error().within("namespace"));
  return out;
}

}  // namespace tidegate::exchange
