#include "format/spec_explain.h"

#include "format/spec_value.h"

namespace tidegate::format {
namespace {

using spec::Option;
using spec::Section;
using spec::Value;

bool is_empty(const std::string& text) {
  return text.empty() || text == "\"\"" || text == "[]" || text == "{}";
}

/// A variant's minReplicas comes from the environment where it is not given.
void add_floor(const spec::Model& model, std::string_view path, Explained& out) {
  constexpr std::string_view kList = "spec.variants[";
  if (!path.starts_with(kList) || !path.ends_with("].minReplicas")) return;
  auto index = static_cast<std::size_t>(std::stoul(std::string(path.substr(kList.size()))));
  out.value = std::to_string(spec::min_replicas(model, model.variants[index]).value());
  out.origin = "environment floor";
}

}  // namespace

std::vector<Explained> explain(const LoadedModel& loaded) {
  std::vector<Explained> out;
  auto where = [&](const std::string& path) -> std::string {
    auto at = loaded.positions.find(path);
    return at == loaded.positions.end() ? "" : loaded.file + ":" + std::to_string(at->second.line);
  };
  out.push_back({"metadata.name", loaded.model.name, where("metadata.name")});
  spec::for_each_value(
      spec::model_section(), &loaded.model, "spec",
      [&](std::string_view path, const Section& section, const Option& row, const Value& value) {
        bool absent = std::holds_alternative<std::monostate>(value);
        // Targets and sources not chosen are not in force.
        if (absent && section.choice != spec::Choice::kAny) return;
        Explained e{std::string(path), value_text(row, value), where(std::string(path))};
        bool given = !e.origin.empty();
        if (!given) e.origin = "default";
        if (!given && row.key == "servedNames") e.origin = "metadata.name";
        bool unset = absent || is_empty(e.value);
        if (unset && !given)
          e.value = "(" + std::string(row.unset.empty() ? "none" : row.unset) + ")";
        if (unset && !given) add_floor(loaded.model, path, e);
        out.push_back(std::move(e));
      });
  return out;
}

}  // namespace tidegate::format
