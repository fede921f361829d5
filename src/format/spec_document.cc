#include "format/spec_document.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/spec/options.h"
#include "format/spec_value.h"

namespace tidegate::format {

bool is_kind(const Node& root, std::string_view kind) {
  const Node* node = root.find("kind");
  return node != nullptr && node->kind == NodeKind::kScalar && node->text == kind;
}

void read_metadata(const Node& root, std::string& out, Reader& reader) {
  const Node* node = root.find("metadata");
  if (node == nullptr || node->kind != NodeKind::kMap) {
    reader.fault(node != nullptr ? node->at : root.at,
                 "metadata: expected a map with name, such as {name: qwen3-32b}");
    return;
  }
  const spec::Option row{.key = "name", .kind = spec::Kind::kLabel, .example = "qwen3-32b"};
  const std::vector<std::string_view> known{"name", "namespace", "labels", "annotations"};
  for (std::size_t i = 0; i < node->keys.size(); ++i) {
    const auto& [key, at] = node->keys[i];
    if (std::find(known.begin(), known.end(), key) == known.end())
      reader.unknown_key(key, at, "metadata", known);
  }
  const Node* name = node->find("name");
  if (name == nullptr || name->kind == NodeKind::kNull) {
    reader.fault(node->at, "metadata: \"name\" is missing; expected a name of a-z, 0-9 and '-'");
    return;
  }
  reader.mark("metadata.name", name->at);
  std::string fault = describe(*name) + " is not text";
  if (name->kind == NodeKind::kScalar) {
    auto value = parse_scalar(row, *name);
    std::string wrong = value ? spec::check(row, *value) : "";
    fault = !value ? value.error().message : wrong.empty() ? "" : describe(*name) + " " + wrong;
    if (fault.empty()) out = std::get<std::string>(*value);
  }
  if (!fault.empty()) {
    reader.fault(name->at, "metadata.name: " + fault + "; expected a name such as qwen3-32b");
  }
}

const Node* metadata_namespace(const Node& root, Reader& reader) {
  const Node* metadata = root.find("metadata");
  const Node* ns = metadata == nullptr ? nullptr : metadata->find("namespace");
  if (ns == nullptr || ns->kind == NodeKind::kNull) return nullptr;
  const spec::Option row{.key = "namespace", .kind = spec::Kind::kLabel, .example = "serve"};
  auto value =
      ns->kind == NodeKind::kScalar ? parse_scalar(row, *ns) : fail(describe(*ns) + " is not text");
  std::string wrong = !value ? value.error().message : spec::check(row, *value);
  if (wrong.empty()) return ns;
  if (value) wrong = describe(*ns) + " " + wrong;
  reader.fault(ns->at, "metadata.namespace: " + wrong + "; expected a name such as serve");
  return nullptr;
}

/// Kinds of other autoscalers that `tidegate import` reads.
std::string_view importer_of(std::string_view kind) {
  if (kind == "ScaledObject") return "keda";
  if (kind == "HorizontalPodAutoscaler") return "hpa";
  if (kind == "VariantAutoscaling") return "variantautoscaling";
  return {};
}

void check_head(const Node& root, std::string_view kind, Reader& reader) {
  const std::vector<std::string_view> known{"apiVersion", "kind", "metadata", "spec"};
  auto expect = [&](std::string_view key, std::string_view wanted) {
    const Node* node = root.find(key);
    if (node == nullptr) {
      reader.fault(root.at, "\"" + std::string(key) + "\" is missing; write " + std::string(key) +
                                ": " + std::string(wanted));
    } else if (node->kind != NodeKind::kScalar || node->text != wanted) {
      bool scenario = key == "kind" && node->text == kScenarioKind;
      std::string import(key == "kind" ? importer_of(node->text) : "");
      if (!import.empty()) import = " (tidegate import " + import + " makes a Model of it)";
      reader.fault(node->at, std::string(key) + ": " + describe(*node) +
                                 " is not known here; accepted: " + std::string(wanted) +
                                 (scenario ? " (a Scenario is for tidegate simulate)" : import));
    }
  };
  expect("apiVersion", kApiVersion);
  expect("kind", kind);
  for (const auto& [key, at] : root.keys) {
    if (key != "status" && std::find(known.begin(), known.end(), key) == known.end()) {
      reader.unknown_key(key, at, "document", known);
    }
  }
}

/// The place of the nearest key that was written, from `path` outwards.
Position place(const std::map<std::string, Position>& positions, std::string path,
               Position otherwise) {
  while (!path.empty()) {
    if (auto at = positions.find(path); at != positions.end()) return at->second;
    auto cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return otherwise;
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return fail("no such file; check the path");
  if (std::filesystem::is_directory(status)) return fail("is a directory; name a file in it");
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot be read; check its permissions");
  std::string text;
  char buffer[65'536];
  while (file.read(buffer, sizeof buffer), file.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxSpecBytes) break;  // refused by size afterwards
  }
  if (file.bad()) return fail("cannot be read to its end");
  return text;
}

}  // namespace tidegate::format
