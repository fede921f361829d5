#include "format/spec_explain.h"

#include <map>

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

/// Where the key at a path was written: "model.yaml:12", or nothing.
class Written {
 public:
  Written(const std::string& file, const std::map<std::string, Position>& positions)
      : file_(file), positions_(positions) {}
  std::string at(const std::string& path) const {
    auto found = positions_.find(path);
    return found == positions_.end() ? "" : file_ + ":" + std::to_string(found->second.line);
  }

 private:
  const std::string& file_;
  const std::map<std::string, Position>& positions_;
};

/// Every value below `section`; `unset(row, explained)` has a last word on what was not given.
template <class Unset>
void add_values(const Section& section, const void* owner, const Written& written, Unset unset,
                std::vector<Explained>& out) {
  spec::for_each_value(
      section, owner, "spec",
      [&](std::string_view path, const Section& of, const Option& row, const Value& value) {
        bool absent = std::holds_alternative<std::monostate>(value);
        // Targets and sources not chosen are not in force.
        if (absent && of.choice != spec::Choice::kAny) return;
        Explained e{std::string(path), value_text(row, value), written.at(std::string(path))};
        bool given = !e.origin.empty();
        if (!given) e.origin = "default";
        bool empty = absent || is_empty(e.value);
        if (empty && !given)
          e.value = "(" + std::string(row.unset.empty() ? "none" : row.unset) + ")";
        if (!given) unset(row, empty, e);
        out.push_back(std::move(e));
      });
}

}  // namespace

std::vector<Explained> explain(const LoadedModel& loaded) {
  Written written(loaded.file, loaded.positions);
  std::vector<Explained> out{{"metadata.name", loaded.model.name, written.at("metadata.name")}};
  add_values(
      spec::model_section(), &loaded.model, written,
      [&](const Option& row, bool empty, Explained& e) {
        if (row.key == "servedNames") e.origin = "metadata.name";
        if (empty) add_floor(loaded.model, e.path, e);
      },
      out);
  return out;
}

std::vector<Explained> explain(const ScenarioFile& file) {
  if (!file.scenario) return {};
  Written written(file.path, file.positions);
  std::vector<Explained> out{{"metadata.name", file.scenario->name, written.at("metadata.name")}};
  add_values(
      workload::scenario_section(), &*file.scenario, written,
      [](const Option&, bool, Explained&) {}, out);
  return out;
}

}  // namespace tidegate::format
