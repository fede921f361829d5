#pragma once
// Yaml: a tree that is written as YAML or JSON, always the same way.
//
//   Yaml m = Yaml::map({{"kind", "Service"}, {"spec", Yaml::map({{"clusterIP", "None"}})}});
//   m.put("note", "x").say("why it is there");      // a comment line above the key
//   std::string text = to_yaml(m);                  // block style, keys in the order they were put
//
// Text that YAML would read as something else (true, 1, ~, "a: b") is quoted; text with line ends
// becomes a literal block. Comments are not part of the JSON. Source: YAML 1.2, and what YAML 1.1
// readers (Go's) take for booleans. Thread-safety: values.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::exchange {

class Yaml {
 public:
  enum class Kind : std::uint8_t { kScalar, kText, kList, kMap };
  using Pair = std::pair<std::string, Yaml>;

  Yaml(const char* text) : Yaml(std::string(text)) {}
  Yaml(std::string text) : kind_(Kind::kText), text_(std::move(text)) {}
  Yaml(std::string_view text) : Yaml(std::string(text)) {}
  Yaml(bool value) : text_(value ? "true" : "false") {}
  Yaml(int value) : text_(std::to_string(value)) {}
  Yaml(std::int64_t value) : text_(std::to_string(value)) {}
  Yaml(std::size_t value) : text_(std::to_string(value)) {}
  Yaml(double value);
  /// Written as it is: a line of flow style that reads back by itself.
  static Yaml verbatim(std::string text);
  static Yaml map(std::initializer_list<Pair> pairs = {});
  static Yaml list(std::vector<Yaml> items = {});

  /// Of a map; gives the value that was put.
  Yaml& put(std::string key, Yaml value);
  /// Of a list; gives the item that was added.
  Yaml& add(Yaml value);
  /// A comment above this key or item.
  Yaml& say(std::string comment);

  Kind kind() const { return kind_; }
  const std::string& text() const { return text_; }
  const std::string& comment() const { return comment_; }
  const std::vector<Yaml>& items() const { return items_; }
  const std::vector<std::string>& keys() const { return keys_; }

 private:
  Kind kind_ = Kind::kScalar;
  std::string text_, comment_;
  std::vector<Yaml> items_;        ///< of a list; of a map the values
  std::vector<std::string> keys_;  ///< of a map
};

std::string to_yaml(const Yaml& root);
std::string to_json(const Yaml& root);
/// Lines of a comment: "# " before each, ends with a line end; empty lines become "#".
std::string comment_lines(std::string_view text, std::string_view indent = "");

}  // namespace tidegate::exchange
