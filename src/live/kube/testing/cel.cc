#include "live/kube/testing/cel.h"

#include <cctype>
#include <nlohmann/json.hpp>
#include <string>

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

/// Recursive descent; a fault anywhere ends it (thrown, and caught in cel()).
class Rule {
 public:
  Rule(std::string_view text, const json& self) : text_(text), self_(self) {}
  json whole() {
    json value = any();
    skip();
    if (!text_.empty()) throw fault("unknown: " + std::string(text_));
    return value;
  }

 private:
  static std::runtime_error fault(const std::string& what) { return std::runtime_error(what); }
  void skip() {
    while (!text_.empty() && std::isspace(static_cast<unsigned char>(text_[0]))) {
      text_.remove_prefix(1);
    }
  }
  bool take(std::string_view what) {
    skip();
    if (!text_.starts_with(what)) return false;
    text_.remove_prefix(what.size());
    return true;
  }
  static bool truth(const json& value) {
    if (!value.is_boolean()) throw fault("no boolean: " + value.dump());
    return value.get<bool>();
  }
  /// A side that is not needed may be at fault, as in CEL.
  json any() {
    json left = every();
    while (take("||")) {
      bool known = truth(left);
      bool before = lenient_;
      lenient_ = lenient_ || known;
      json right = every();
      lenient_ = before;
      left = known || truth(right);
    }
    return left;
  }
  json every() {
    json left = compared();
    while (take("&&")) {
      bool known = truth(left);
      bool before = lenient_;
      lenient_ = lenient_ || !known;
      json right = compared();
      lenient_ = before;
      left = known && truth(right);
    }
    return left;
  }
  json compared() {
    json left = value();
    for (const char* operation : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!take(operation)) continue;
      json right = value();
      std::string_view is(operation);
      return is == "=="   ? left == right
             : is == "!=" ? left != right
             : is == "<=" ? left <= right
             : is == ">=" ? left >= right
             : is == "<"  ? left < right
                          : left > right;
    }
    return left;
  }
  json value() {
    if (take("!")) return !truth(value());
    if (take("(")) {
      json inner = any();
      if (!take(")")) throw fault("no )");
      return inner;
    }
    skip();
    if (take("has(")) {
      bool before = lenient_;
      lenient_ = true;
      found_ = true;
      path();
      lenient_ = before;
      if (!take(")")) throw fault("no )");
      return found_;
    }
    if (text_.starts_with("self")) return path();
    return literal();
  }
  std::string word() {
    std::string out;
    while (!text_.empty() &&
           (std::isalnum(static_cast<unsigned char>(text_[0])) || text_[0] == '_')) {
      out.push_back(text_[0]);
      text_.remove_prefix(1);
    }
    return out;
  }
  json path() {
    if (word() != "self") throw fault("only self is known");
    json at = self_;
    while (take(".")) {
      if (take("size()")) {
        at = at.is_string() ? at.get_ref<const std::string&>().size() : at.size();
        continue;
      }
      std::string name = word();
      if (at.is_object() && at.contains(name)) {
        at = json(at[name]);
      } else if (lenient_) {
        found_ = false;
        at = false;
      } else {
        throw fault("no such key: " + name);
      }
    }
    return at;
  }
  json literal() {
    std::size_t length = 0;
    if (!text_.empty() && (text_[0] == '\'' || text_[0] == '"')) {
      length = text_.find(text_[0], 1);
      if (length == std::string_view::npos) throw fault("no end of a string");
      std::string out(text_.substr(1, length - 1));
      text_.remove_prefix(length + 1);
      return out;
    }
    if (take("true")) return true;
    if (take("false")) return false;
    while (length < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[length])) ||
                                     text_[length] == '.' || text_[length] == '-')) {
      ++length;
    }
    json number = json::parse(text_.substr(0, length), nullptr, false);
    if (number.is_discarded()) throw fault("unknown: " + std::string(text_));
    text_.remove_prefix(length);
    return number;
  }

  std::string_view text_;
  const json& self_;
  bool lenient_ = false;  ///< what is missing is no fault here
  bool found_ = true;
};

}  // namespace

Result<bool> cel(std::string_view rule, const json& self) {
  try {
    json value = Rule(rule, self).whole();
    if (!value.is_boolean()) return fail("rule " + std::string(rule) + ": no boolean");
    return value.get<bool>();
  } catch (const std::exception& e) {
    return fail("rule " + std::string(rule) + ": " + e.what());
  }
}

}  // namespace tidegate::live::kube
