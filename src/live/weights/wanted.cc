#include "live/weights/wanted.h"

#include <yaml-cpp/yaml.h>

#include <set>

#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

Result<WantedSet> read_pair(const YAML::Node& root) {
  WantedSet out;
  for (const auto& pair : root) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    if ((key != "from" && key != "name") || !pair.second.IsScalar()) {
      return fail("has a key \"" + key.substr(0, 100) + "\"; there are from, name and files");
    }
    if (key == "name") out.name = pair.second.Scalar();
    if (key == "from") out.sources.push_back(pair.second.Scalar());
  }
  if (out.sources.empty()) return fail("lacks from: hf://OWNER/NAME@REVISION");
  if (auto source = parse_source(out.sources.front()); !source) return fail(source.error());
  return out;
}

Result<std::vector<WantedSet>> read_all(const std::string& text, const std::string& at) {
  std::vector<WantedSet> out;
  std::set<std::string> names;
  std::size_t number = 0;
  for (const YAML::Node& root : YAML::LoadAll(text)) {
    ++number;
    if (root.IsNull()) continue;
    const std::string where = public_text(at) + ", document " + std::to_string(number);
    if (out.size() == kMaxWanted) return fail(public_text(at) + ": over 1,000 sets");
    if (!root.IsMap()) return fail(where + ": is neither {name, from} nor a manifest");
    if (root["files"]) {
      auto list = read_manifest(YAML::Dump(root), at);
      if (!list) return fail(list.error().within("document " + std::to_string(number)));
      out.push_back({.name = list->name, .list = std::move(*list)});
    } else {
      auto set = read_pair(root);
      if (!set) return fail(set.error().within(where));
      out.push_back(std::move(*set));
    }
    auto name = name_of(out.back());
    if (!name) return fail(name.error().within(where));
    out.back().name = *name;
    if (!names.insert(*name).second) {
      return fail(where + ": a second set is called " + *name + "; give it another name");
    }
  }
  if (out.empty()) return fail(public_text(at) + ": names no set");
  return out;
}

}  // namespace

std::string WantedSet::source() const {
  if (!list.files.empty()) return list.source;
  std::string out;
  for (const std::string& source : sources) out += (out.empty() ? "" : " ") + public_text(source);
  return out;
}

Result<std::string> name_of(const WantedSet& wanted) {
  if (!wanted.name.empty()) {
    if (auto good = check_name(wanted.name); !good) return fail(good.error());
    return wanted.name;
  }
  if (!wanted.list.name.empty()) return wanted.list.name;
  if (!wanted.list.files.empty()) return set_name(wanted.list.source);
  if (wanted.sources.size() > 1) return fail("several URLs want a name for the set: --name NAME");
  return set_name(wanted.sources.front());
}

Result<std::vector<WantedSet>> read_wanted(const std::string& text, const std::string& at) {
  if (text.size() > kMaxManifestBytes) return fail(public_text(at) + ": over 16 MiB");
  try {
    return read_all(text, at);
  } catch (const YAML::Exception& error) {
    return fail(public_text(at) + ": is no YAML or JSON: " + error.what());
  }
}

}  // namespace tidegate::live::weights
