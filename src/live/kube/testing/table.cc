#include "live/kube/testing/table.h"

#include <fmt/format.h>

#include <charconv>

#include "live/kube/time_text.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr const char* kNameIs =
    "Name must be unique within a namespace. Is required when creating resources, although some "
    "resources may allow a client to request the generation of an appropriate name automatically. "
    "Name is primarily intended for creation idempotence and configuration definition. Cannot be "
    "updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
constexpr const char* kAgePath = ".metadata.creationTimestamp";

/// Takes the text up to one of `ends` off the front; a backslash keeps the character after it.
std::string take_word(std::string_view& rest, std::string_view ends) {
  std::string out;
  while (!rest.empty() && ends.find(rest.front()) == std::string_view::npos) {
    if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
    out += rest.front();
    rest.remove_prefix(1);
  }
  return out;
}

/// "@.type=='Ready'": the first element that has it.
const json* pick(const json& list, std::string_view condition) {
  const auto equals = condition.find("==");
  if (!list.is_array() || !condition.starts_with("@.") || equals == std::string_view::npos) {
    return nullptr;
  }
  std::string_view name = condition.substr(2, equals - 2);
  while (name.ends_with(' ')) name.remove_suffix(1);
  const std::string key(name);
  std::string_view value = condition.substr(equals + 2);
  while (!value.empty() &&
         (value.front() == ' ' || value.front() == '\'' || value.front() == '"')) {
    value.remove_prefix(1);
  }
  value = value.substr(0, value.find_first_of("'\""));
  for (const json& one : list) {
    auto it = one.is_object() ? one.find(key) : one.end();
    if (one.is_object() && it != one.end() && it->is_string() && it->get<std::string>() == value) {
      return &one;
    }
  }
  return nullptr;
}

/// What stands between brackets.
const json* step_into(const json& node, std::string_view inside) {
  if (inside.starts_with("?(") && inside.ends_with(")")) {
    return pick(node, inside.substr(2, inside.size() - 3));
  }
  if (inside.size() >= 2 && (inside.front() == '\'' || inside.front() == '"')) {
    auto it =
        node.is_object() ? node.find(std::string(inside.substr(1, inside.size() - 2))) : node.end();
    return node.is_object() && it != node.end() ? &*it : nullptr;
  }
  std::size_t index = 0;
  auto [end, bad] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
  const bool whole = bad == std::errc{} && end == inside.data() + inside.size();
  return whole && node.is_array() && index < node.size() ? &node[index] : nullptr;
}

json cell(const json& value, const std::string& type, WallTime now) {
  if (value.is_null()) return nullptr;
  if (type == "date") {
    auto at = value.is_string() ? parse_time(value.get<std::string>()) : std::nullopt;
    return at ? age_text(now - *at) : "<invalid>";
  }
  if (type == "string") return value.is_string() ? value : json(value.dump());
  if (type == "integer") return value.is_number() ? json(value.get<std::int64_t>()) : json();
  if (type == "number") return value.is_number() ? value : json();
  return type == "boolean" && value.is_boolean() ? value : json();
}

json columns_of(const ServedKind& kind) {
  json out = kind.columns.is_array() ? kind.columns : json::array();
  if (out.empty()) out.push_back({{"name", "Age"}, {"type", "date"}, {"jsonPath", kAgePath}});
  return out;
}

json definitions(const json& columns) {
  json out = {{{"name", "Name"},
               {"type", "string"},
               {"format", "name"},
               {"description", kNameIs},
               {"priority", 0}}};
  for (const json& column : columns) {
    const std::string path = column.value("jsonPath", "");
    const std::string said = column.value("description", "");
    out.push_back(
        {{"name", column.value("name", "")},
         {"type", column.value("type", "")},
         {"format", column.value("format", "")},
         {"description",
          !said.empty() ? said : "Custom resource definition column (in JSONPath format): " + path},
         {"priority", column.value("priority", 0)}});
  }
  return out;
}

json carried(const json& object, TableWish::Object wanted) {
  if (wanted == TableWish::Object::kNone) return nullptr;
  if (wanted == TableWish::Object::kWhole) return object;
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", object.value("metadata", json::object())}};
}

}  // namespace

std::optional<TableWish> table_wished(const net::Request& request) {
  const std::string_view accept = request.headers.get("Accept");
  const std::string_view first = accept.substr(0, accept.find(','));
  if (first.find("as=Table") == std::string_view::npos) return std::nullopt;
  TableWish out;
  if (first.find("v=v1beta1") != std::string_view::npos) out.api_version = "meta.k8s.io/v1beta1";
  const std::string object = net::query_value(request.query, "includeObject");
  if (object == "None") out.object = TableWish::Object::kNone;
  if (object == "Object") out.object = TableWish::Object::kWhole;
  return out;
}

json table_of(const ServedKind& kind, const std::vector<ObjectPtr>& objects, const TableWish& wish,
              WallTime now) {
  const json columns = columns_of(kind);
  json rows = json::array();
  for (const ObjectPtr& object : objects) {
    json cells = {value_at(*object, ".metadata.name")};
    for (const json& column : columns) {
      cells.push_back(
          cell(value_at(*object, column.value("jsonPath", "")), column.value("type", ""), now));
    }
    rows.push_back({{"cells", std::move(cells)}, {"object", carried(*object, wish.object)}});
  }
  return {{"kind", "Table"},
          {"apiVersion", wish.api_version},
          {"columnDefinitions", definitions(columns)},
          {"rows", std::move(rows)}};
}

json value_at(const json& object, std::string_view path) {
  const json* node = &object;
  while (!path.empty() && node != nullptr) {
    if (path.front() == '[') {
      const auto end = path.find(path.starts_with("[?(") ? ")]" : "]");
      if (end == std::string_view::npos) return nullptr;
      const std::size_t inside = path.starts_with("[?(") ? end + 1 : end;
      node = step_into(*node, path.substr(1, inside - 1));
      path.remove_prefix(inside + 1);
      continue;
    }
    if (path.front() == '.') path.remove_prefix(1);
    const std::string key = take_word(path, ".[");
    if (key.empty()) return nullptr;
    auto it = node->is_object() ? node->find(key) : node->end();
    node = node->is_object() && it != node->end() ? &*it : nullptr;
  }
  return node == nullptr ? json() : *node;
}

std::string age_text(Duration age) {
  const std::int64_t s = age / seconds(1);
  const std::int64_t m = s / 60, h = m / 60, d = h / 24, y = d / 365;
  auto two = [](std::int64_t a, const char* unit, std::int64_t b, const char* small) {
    return b == 0 ? fmt::format("{}{}", a, unit) : fmt::format("{}{}{}{}", a, unit, b, small);
  };
  if (s < -1) return "<invalid>";
  if (s < 120) return fmt::format("{}s", std::max<std::int64_t>(s, 0));
  if (m < 10) return two(m, "m", s % 60, "s");
  if (h < 3) return fmt::format("{}m", m);
  if (h < 8) return two(h, "h", m % 60, "m");
  if (h < 48) return fmt::format("{}h", h);
  if (d < 8) return two(d, "d", h % 24, "h");
  if (y < 2) return fmt::format("{}d", d);
  return y < 8 ? two(y, "y", d % 365, "d") : fmt::format("{}y", y);
}

}  // namespace tidegate::live::kube
