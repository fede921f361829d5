#include "live/kube/testing/patching.h"

#include <algorithm>
#include <map>

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

const std::map<std::string, std::string> kMergeKeys = {
    {"containers", "name"}, {"conditions", "type"}, {"env", "name"}, {"volumes", "name"}};

void strategic(json& into, const json& change) {
  for (const auto& [name, child] : change.items()) {
    auto key = kMergeKeys.find(name);
    if (child.is_null()) {
      into.erase(name);
    } else if (child.is_object() && into.contains(name) && into[name].is_object()) {
      strategic(into[name], child);
    } else if (child.is_array() && key != kMergeKeys.end() && into.contains(name)) {
      for (const json& item : child) {
        auto same = std::find_if(into[name].begin(), into[name].end(), [&](const json& old) {
          return old.value(key->second, json()) == item.value(key->second, json());
        });
        if (same == into[name].end()) {
          into[name].push_back(item);
        } else {
          strategic(*same, item);
        }
      }
    } else {
      into[name] = child;
    }
  }
}

}  // namespace

Result<json> patched(const json& object, const std::string& content_type, const json& change) {
  json out = object;
  if (content_type == "application/json-patch+json") {
    try {
      return out.patch(change);
    } catch (const json::exception& e) {
      return fail(std::string("the server rejected our request due to an error in our request: ") +
                  e.what());
    }
  }
  if (!change.is_object()) return fail("a patch must be an object");
  if (content_type == "application/strategic-merge-patch+json") {
    strategic(out, change);
  } else {
    out.merge_patch(change);
  }
  return out;
}

}  // namespace tidegate::live::kube
