#include "live/weights/model_sources.h"

#include <set>

#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

Result<void> allowed(const std::string& text, SourceRule rule) {
  auto source = parse_source(text);
  if (!source) return fail(source.error());
  const bool open = source->kind == SourceKind::kHub || source->url.starts_with("https://");
  if (rule == SourceRule::kAny || open) return {};
  return fail("coldStart.weights.source " + public_text(text) +
              ": a Model may name hf:// and https:// alone; start tidegate with --trust-models "
              "where all who may write Models may do more");
}

}  // namespace

std::vector<WantedSet> sets_of(
    const std::vector<const spec::Model*>& models, SourceRule rule,
    const std::function<void(const std::string& model, const std::string& why)>& refused) {
  std::vector<WantedSet> out;
  std::set<std::string> names;
  for (const spec::Model* model : models) {
    for (const spec::Variant& variant : model->variants) {
      const std::string& source = variant.cold_start.weights.source;
      if (source.empty()) continue;
      if (auto good = allowed(source, rule); !good) {
        refused(model->name, good.error().message);
        continue;
      }
      std::string name = set_name(source);
      if (names.insert(name).second) {
        out.push_back({.name = std::move(name), .sources = {source}, .list = {}});
      }
    }
  }
  return out;
}

}  // namespace tidegate::live::weights
