#include "exchange/yaml.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/base/ascii.h"
#include "core/spec/options.h"

namespace tidegate::exchange {
namespace {

bool plain_letter(char c) {
  return ascii::is_alphanumeric(c) || c == '_' || c == '.' || c == '/' || c == '-';
}

/// Reads back as text in YAML 1.1 and 1.2 without quotes.
bool is_plain(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  bool letter_first = ascii::is_letter(text[0]) || text[0] == '/';
  if (!letter_first || !std::all_of(text.begin(), text.end(), plain_letter)) return false;
  constexpr std::array<std::string_view, 10> kTaken = {"true", "false", "yes", "no", "on",
                                                       "off",  "null",  "y",   "n",  "nan"};
  return std::find(kTaken.begin(), kTaken.end(), ascii::lower(text)) == kTaken.end();
}

std::string escaped(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool printable(std::string_view text) { return std::none_of(text.begin(), text.end(), is_control); }

/// A literal block keeps lines as they are; leading blanks or odd characters would not survive it.
bool fits_block(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == ' ' || text.front() == '\n') {
    return false;
  }
  if (text.ends_with("\n\n")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

std::string text_scalar(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  bool quotes =
      text.find('"') != std::string_view::npos || text.find('\\') != std::string_view::npos;
  bool single = quotes && text.find('\'') == std::string_view::npos && printable(text);
  return single ? "'" + std::string(text) + "'" : escaped(text);
}

class YamlWriter {
 public:
  void value(const Yaml& node, int indent) {
    if (node.kind() == Yaml::Kind::kText && fits_block(node.text())) {
      block(node.text(), indent);
    } else if (node.kind() == Yaml::Kind::kText) {
      out += " " + text_scalar(node.text()) + "\n";
    } else if (node.kind() == Yaml::Kind::kScalar) {
      out += " " + node.text() + "\n";
    } else if (node.items().empty()) {
      out += node.kind() == Yaml::Kind::kMap ? " {}\n" : " []\n";
    } else {
      out += "\n";
      children(node, indent, false);
    }
  }

  /// `inlined`: the first line follows a "-" that is written already.
  void children(const Yaml& node, int indent, bool inlined) {
    const std::string pad(static_cast<std::size_t>(indent), ' ');
    bool map = node.kind() == Yaml::Kind::kMap;
    for (std::size_t i = 0; i < node.items().size(); ++i) {
      const Yaml& item = node.items()[i];
      bool first = inlined && i == 0;
      if (!item.comment().empty() && !first) out += comment_lines(item.comment(), pad);
      out += first ? " " : pad;
      if (map) {
        out += (is_plain(node.keys()[i]) ? node.keys()[i] : text_scalar(node.keys()[i])) + ":";
        value(item, indent + 2);
      } else {
        list_item(item, indent);
      }
    }
  }
  std::string out;

 private:
  void list_item(const Yaml& item, int indent) {
    out += "-";
    bool nested = item.kind() == Yaml::Kind::kMap && !item.items().empty();
    if (!nested) return value(item, indent + 2);
    if (item.items()[0].comment().empty()) return children(item, indent + 2, true);
    out += "\n";
    children(item, indent + 2, false);
  }
  void block(std::string_view text, int indent) {
    bool ended = text.ends_with('\n');
    out += ended ? " |\n" : " |-\n";
    const std::string pad(static_cast<std::size_t>(indent), ' ');
    if (ended) text.remove_suffix(1);
    for (std::size_t at = 0; at <= text.size();) {
      std::size_t end = std::min(text.find('\n', at), text.size());
      out += (end == at ? "" : pad + std::string(text.substr(at, end - at))) + "\n";
      at = end + 1;
    }
  }
};

void put_json(const Yaml& node, int indent, std::string& out) {
  if (node.kind() == Yaml::Kind::kText) {
    out += escaped(node.text());
    return;
  }
  if (node.kind() == Yaml::Kind::kScalar) {
    out += node.text();
    return;
  }
  bool map = node.kind() == Yaml::Kind::kMap;
  if (node.items().empty()) {
    out += map ? "{}" : "[]";
    return;
  }
  const std::string pad(static_cast<std::size_t>(indent + 2), ' ');
  out += map ? "{\n" : "[\n";
  for (std::size_t i = 0; i < node.items().size(); ++i) {
    out += pad + (map ? escaped(node.keys()[i]) + ": " : "");
    put_json(node.items()[i], indent + 2, out);
    out += i + 1 < node.items().size() ? ",\n" : "\n";
  }
  out += std::string(static_cast<std::size_t>(indent), ' ') + (map ? "}" : "]");
}

}  // namespace

Yaml::Yaml(double value) : text_(spec::number_text(value)) {}

Yaml Yaml::verbatim(std::string text) {
  Yaml out("");
  out.kind_ = Kind::kScalar;
  out.text_ = std::move(text);
  return out;
}

Yaml Yaml::map(std::initializer_list<Pair> pairs) {
  Yaml out("");
  out.kind_ = Kind::kMap;
  for (const auto& [key, value] : pairs) out.put(key, value);
  return out;
}

Yaml Yaml::list(std::vector<Yaml> items) {
  Yaml out("");
  out.kind_ = Kind::kList;
  out.items_ = std::move(items);
  return out;
}

Yaml& Yaml::put(std::string key, Yaml value) {
  keys_.push_back(std::move(key));
  items_.push_back(std::move(value));
  return items_.back();
}

Yaml& Yaml::add(Yaml value) {
  items_.push_back(std::move(value));
  return items_.back();
}

Yaml& Yaml::say(std::string comment) {
  comment_ = std::move(comment);
  return *this;
}

std::string to_yaml(const Yaml& root) {
  YamlWriter writer;
  if (root.items().empty()) {
    writer.value(root, 0);
    return writer.out.substr(1);
  }
  writer.children(root, 0, false);
  return std::move(writer.out);
}

std::string to_json(const Yaml& root) {
  std::string out;
  put_json(root, 0, out);
  return out + "\n";
}

std::string comment_lines(std::string_view text, std::string_view indent) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line(text.substr(at, end - at));
    // A carriage return ends a line of YAML: what follows it would be no comment any more.
    std::replace_if(line.begin(), line.end(), is_control, '?');
    out += std::string(indent) + (line.empty() ? "#" : "# ") + line + "\n";
    at = end + 1;
  }
  return out;
}

}  // namespace tidegate::exchange
