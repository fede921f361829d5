#include "exchange/import.h"

#include <fmt/format.h>

#include <array>

#include "exchange/import_parts.h"
#include "exchange/model_yaml.h"
#include "format/spec_tree.h"

namespace tidegate::exchange {
namespace {

using format::Node;

struct Wanted {
  std::string_view kind, api_prefix;
};
constexpr std::array<Wanted, 4> kWanted = {{{"ScaledObject", "keda.sh/"},
                                            {"HorizontalPodAutoscaler", "autoscaling/"},
                                            {"Service", "serving.knative.dev/"},
                                            {"VariantAutoscaling", ""}}};

std::string text_of(const Node& root, std::string_view key) {
  const Node* found = root.find(key);
  return found == nullptr ? "" : found->text;
}

/// Objects of a file, lists of them opened.
std::vector<const Node*> objects(const std::vector<format::Document>& documents) {
  std::vector<const Node*> out;
  for (const auto& document : documents) {
    const Node* items = document.root.find("items");
    bool list = text_of(document.root, "kind").ends_with("List") && items != nullptr;
    if (!list && document.root.kind == format::NodeKind::kMap) out.push_back(&document.root);
    for (std::size_t i = 0; list && i < items->items.size(); ++i) out.push_back(&items->items[i]);
  }
  return out;
}

std::string document_text(const spec::Model& model, const std::vector<format::Diagnostic>& found) {
  std::string head = comment_lines(
      "Imported in mode observe: it recommends and touches nothing. What no such file says, and a "
      "simulation\nneeds: slo, and of each variant costPerHour, coldStart and engine.profile.");
  if (!found.empty()) head += comment_lines("What to know before it acts:");
  for (const auto& d : found) {
    std::string place = d.line > 0 ? fmt::format("line {}: ", d.line) : "";
    head += comment_lines("- " + place + d.message);
  }
  return head + to_yaml(model_document(model));
}

std::string first_error(const format::SpecFile& file) {
  for (const auto& d : file.diagnostics) {
    if (d.severity == format::Severity::kError) return d.message;
  }
  return "";
}

}  // namespace

Result<Imported> import(ImportKind kind, std::string_view text, const std::string& filename) {
  const Wanted& wanted = kWanted[static_cast<std::size_t>(kind)];
  auto documents = format::parse_documents(text);
  for (const auto& document : documents) {
    if (document.errors.empty()) continue;
    const auto& error = document.errors.front();
    return fail(
        fmt::format("{}:{}:{}: {}", filename, error.at.line, error.at.column, error.message));
  }
  Notes notes(filename);
  std::vector<const Node*> of_kind;
  for (const Node* root : objects(documents)) {
    std::string seen = text_of(*root, "kind");
    if (seen == wanted.kind && text_of(*root, "apiVersion").starts_with(wanted.api_prefix)) {
      of_kind.push_back(root);
    } else {
      notes.add(root->at, fmt::format("an object of kind \"{}\" ({}) is left out", seen,
                                      text_of(*root, "apiVersion")));
    }
  }
  if (of_kind.empty()) {
    return fail(fmt::format("{}: no object of kind {} in it", filename, wanted.kind));
  }
  Imported out;
  auto add = [&](const std::vector<spec::Model>& models, std::size_t from) {
    std::vector<format::Diagnostic> found(notes.all().begin() + static_cast<std::ptrdiff_t>(from),
                                          notes.all().end());
    for (const auto& model : models) {
      out.text += (out.text.empty() ? "" : "---\n") + document_text(model, found);
    }
  };
  if (kind == ImportKind::kVariantAutoscaling) add(import_variants(of_kind, notes), 0);
  for (const Node* root : of_kind) {
    if (kind == ImportKind::kVariantAutoscaling) break;
    std::size_t from = root == of_kind.front() ? 0 : notes.size();
    add(kind == ImportKind::kKeda  ? import_keda(*root, notes)
        : kind == ImportKind::kHpa ? import_hpa(*root, notes)
                                   : import_knative(*root, notes),
        from);
  }
  format::SpecFile made = format::load_spec(out.text, "the imported spec");
  if (!made.ok()) {
    return fail(fmt::format("{}: it makes no valid spec: {}", filename, first_error(made)));
  }
  out.diagnostics = notes.all();
  return out;
}

}  // namespace tidegate::exchange
