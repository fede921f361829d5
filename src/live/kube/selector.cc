#include "live/kube/selector.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

void skip_blanks(std::string_view& text) {
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
}

/// Words are whatever is neither blank nor one of the operators' own characters.
std::string word(std::string_view& text) {
  skip_blanks(text);
  std::size_t end = std::min(text.find_first_of(" =!(),"), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(end);
  skip_blanks(text);
  return out;
}

bool take(std::string_view& text, std::string_view what) {
  skip_blanks(text);
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

Error unexpected(std::string_view text, const char* wanted) {
  return {"unable to parse requirement: found '" + std::string(text.substr(0, 1)) +
          "', expected: " + wanted};
}

Result<Requirement> requirement(std::string_view& text) {
  Requirement out;
  bool absent = take(text, "!");
  out.key = word(text);
  if (out.key.empty()) return fail(unexpected(text, "identifier"));
  if (absent || text.empty() || text[0] == ',') {
    out.test = absent ? Requirement::Test::kAbsent : Requirement::Test::kExists;
    return out;
  }
  bool is_not = take(text, "!=");
  if (is_not || take(text, "==") || take(text, "=")) {
    out.test = is_not ? Requirement::Test::kNotIn : Requirement::Test::kIn;
    out.values = {word(text)};
    if (!text.empty() && text[0] != ',') return fail(unexpected(text, "identifier"));
    return out;
  }
  std::string operation = word(text);
  if (operation != "in" && operation != "notin") {
    return fail("unable to parse requirement: found '" + operation +
                "', expected: in, notin, =, ==, !=, gt, lt");
  }
  out.test = operation == "in" ? Requirement::Test::kIn : Requirement::Test::kNotIn;
  if (!take(text, "(")) return fail(unexpected(text, "'('"));
  do out.values.push_back(word(text));
  while (take(text, ","));
  if (!take(text, ")")) return fail(unexpected(text, "',' or ')'"));
  skip_blanks(text);
  return out;
}

bool holds(const Requirement& requirement, const std::string* value) {
  using Test = Requirement::Test;
  bool listed = value != nullptr && std::find(requirement.values.begin(), requirement.values.end(),
                                              *value) != requirement.values.end();
  switch (requirement.test) {
    case Test::kIn:
      return listed;
    case Test::kNotIn:
      return !listed;
    case Test::kExists:
      return value != nullptr;
    case Test::kAbsent:
      return value == nullptr;
  }
  return false;
}

}  // namespace

Result<Selector> Selector::parse(std::string_view text) {
  Selector out;
  skip_blanks(text);
  while (!text.empty()) {
    auto one = requirement(text);
    if (!one) return fail(one.error());
    out.requirements_.push_back(std::move(*one));
    if (!text.empty() && !take(text, ",")) return fail(unexpected(text, "',' or end of string"));
  }
  return out;
}

Labels labels_of(const json& object) { return labels_in(part(object, "metadata", "labels")); }

Labels labels_in(const json& map) {
  Labels out;
  if (!map.is_object()) return out;
  for (const auto& [name, value] : map.items()) {
    if (value.is_string()) out.emplace_back(name, value.get<std::string>());
  }
  return out;
}

bool Selector::matches(const Labels& labels) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& one) {
    auto it = std::find_if(labels.begin(), labels.end(),
                           [&](const auto& label) { return label.first == one.key; });
    return holds(one, it == labels.end() ? nullptr : &it->second);
  });
}

bool Selector::matches_labels(const json& object) const { return matches(labels_of(object)); }

bool Selector::matches_fields(const json& object) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& one) {
    const json* at = &object;
    std::string_view path = one.key;
    while (!path.empty()) {
      auto dot = path.find('.');
      at = &part(*at, std::string(path.substr(0, dot)).c_str());
      path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    }
    std::string value = at->is_string() ? at->get<std::string>() : "";
    return holds(one, &value);
  });
}

}  // namespace tidegate::live::kube
