#include "exchange/model_yaml.h"

#include "core/spec/options.h"
#include "format/spec_value.h"

namespace tidegate::exchange {
namespace {

using spec::Kind;
using spec::Option;
using spec::Section;

Yaml section(const Section& from, const void* owner);

void put_row(const Section& of, const Option& row, const void* owner, Yaml& out) {
  std::string key(row.key);
  if (row.kind == Kind::kObject) {
    const void* child = row.bind.view(owner);
    if (child == nullptr) return;
    Yaml inner = section(*row.section, child);
    if (!inner.items().empty() || of.choice != spec::Choice::kAny) out.put(key, std::move(inner));
    return;
  }
  if (row.kind == Kind::kObjectList) {
    std::size_t n = row.bind.size(owner);
    if (n == 0) return;
    Yaml& list = out.put(key, Yaml::list());
    for (std::size_t i = 0; i < n; ++i) list.add(section(*row.section, row.bind.item(owner, i)));
    return;
  }
  spec::Value value = row.bind.get(owner);
  std::string text = format::value_text(row, value);
  const bool whole = of.name == "policy";  // a rate is read as a whole: 100 Percent in 60 s
  bool as_default = !whole && !row.required && value == spec::default_value(of, row);
  if (text.empty() || text == "[]" || text == "{}" || as_default) return;
  out.put(key, Yaml::verbatim(std::move(text)));
}

Yaml section(const Section& from, const void* owner) {
  Yaml out = Yaml::map();
  for (const Option& row : from.options) put_row(from, row, owner, out);
  return out;
}

}  // namespace

Yaml model_document(const spec::Model& model) {
  Yaml out = Yaml::map({{"apiVersion", "tidegate.dev/v1alpha1"}, {"kind", "Model"}});
  out.put("metadata", Yaml::map({{"name", model.name}}));
  out.put("spec", section(spec::model_section(), &model));
  return out;
}

}  // namespace tidegate::exchange
