#include "live/operator/names.h"

namespace tidegate::live {

Result<void> Names::claim(const std::string& holder, const spec::Model& model) {
  auto another = [&](const std::map<std::string, std::string>& names, const std::string& name) {
    auto it = names.find(name);
    return it != names.end() && it->second != holder;
  };
  if (another(models_, model.name)) {
    return fail("metadata.name: another model is named \"" + model.name +
                "\" too; names must differ");
  }
  Held held{model.name, model.served_names};
  for (const auto& adapter : model.adapters) held.served.push_back(adapter.name);
  for (std::size_t i = 0; i < held.served.size(); ++i) {
    if (!another(served_, held.served[i])) continue;
    const bool adapter = i >= model.served_names.size();
    const std::string path =
        adapter ? "spec.adapters[" + std::to_string(i - model.served_names.size()) + "].name"
                : "spec.servedNames[" + std::to_string(i) + "]";
    return fail(path + ": \"" + held.served[i] + "\" is served by model \"" +
                holders_.at(served_.at(held.served[i])).model +
                "\" already; a request for it could go to only one");
  }
  release(holder);
  models_[held.model] = holder;
  for (const auto& name : held.served) served_[name] = holder;
  holders_[holder] = std::move(held);
  return {};
}

void Names::release(const std::string& holder) {
  auto it = holders_.find(holder);
  if (it == holders_.end()) return;
  models_.erase(it->second.model);
  for (const auto& name : it->second.served) served_.erase(name);
  holders_.erase(it);
}

}  // namespace tidegate::live
