#include "format/spec_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include "core/base/ascii.h"
#include "format/spec_units.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using spec::Kind;
using spec::Option;
using spec::Value;

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// What YAML readers other than ours would take for a number, a boolean or a date.
bool looks_typed(std::string_view text) {
  constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off"};
  return parse_number(text).has_value() ||
         std::find(std::begin(kWords), std::end(kWords), ascii::lower(text)) != std::end(kWords);
}

Result<Value> parse_text(const Node& node) {
  if (!node.quoted && looks_typed(node.text)) {
    return fail(node.text + " is not text to every YAML reader; write \"" + node.text + "\"");
  }
  return node.text;
}

Result<Value> parse_integer(const Node& node) {
  std::int64_t value = 0;
  std::string_view text = node.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool whole = end == text.data() + text.size() && !text.empty();
  if (error == std::errc::result_out_of_range && whole)
    return fail(describe(node) + " is out of range");
  if (error != std::errc{} || !whole) return fail(describe(node) + " is not a whole number");
  if (node.quoted) return fail(describe(node) + " is text; leave the quotes out");
  return value;
}

Result<Value> parse_double(const Node& node) {
  auto value = parse_number(node.text);
  if (!value && node.text.starts_with('$'))
    return fail(describe(node) + " must be a bare number; leave the $ out");
  if (!value || !std::isfinite(*value)) return fail(describe(node) + " is not a number");
  if (node.quoted) return fail(describe(node) + " is text; leave the quotes out");
  return *value;
}

Result<Value> parse_bool(const Node& node) {
  if (node.quoted || (node.text != "true" && node.text != "false")) {
    return fail(describe(node) + " is not true or false");
  }
  return node.text == "true";
}

Result<Value> parse_token(const Option& option, const Node& node) {
  if (std::find(option.tokens.begin(), option.tokens.end(), node.text) != option.tokens.end()) {
    return node.text;
  }
  std::string meant = suggest(node.text, {option.tokens.begin(), option.tokens.end()});
  return fail(describe(node) + " is unknown" +
              (meant.empty() ? "" : "; did you mean " + meant + "?"));
}

template <class T>
Result<Value> widened(Result<T> result) {
  if (!result) return fail(result.error());
  return Value(std::move(*result));
}

std::string percentile_text(double share) {
  std::string digits = spec::number_text(share).substr(2);  // after "0."
  digits.resize(std::max<std::size_t>(digits.size(), 2), '0');
  std::string out = "p" + (digits[0] == '0' ? digits.substr(1, 1) : digits.substr(0, 2));
  return digits.size() > 2 ? out + "." + digits.substr(2) : out;
}

/// A plain scalar where every YAML reader takes it for the same text, else in quotes.
std::string text_scalar(const std::string& text) {
  bool plain = !text.empty() && !looks_typed(text) && text != "null" && text != "~";
  for (char c : text) {
    plain = plain && (ascii::is_alphanumeric(c) || c == '/' || c == '.' || c == '_' || c == '-');
  }
  if (plain && text.front() != '-' && text.front() != '.') return text;
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += {'\\', 'x', kHex[(c >> 4) & 15], kHex[c & 15]};
    } else
      out += c;
  }
  return out + "\"";
}

std::string spread_text(const spec::Spread& spread) {
  if (!spread.samples.empty()) {
    return "{samples: " + std::to_string(spread.samples.size()) + " values, p50 " +
           format_duration(spread.p50) + ", p90 " + format_duration(spread.p90) + "}";
  }
  if (spread.p50 == spread.p90) return format_duration(spread.p50);
  return "{p50: " + format_duration(spread.p50) + ", p90: " + format_duration(spread.p90) + "}";
}

/// Numbers of the Range in the words of the option's kind.
std::string bound_text(const Option& option, double bound) {
  switch (option.kind) {
    case Kind::kDuration:
    case Kind::kPercentile:
    case Kind::kSpread:
      return format_duration(seconds_f(bound));
    case Kind::kBytes:
      return format_bytes(static_cast<std::int64_t>(bound));
    case Kind::kBandwidth:
      return format_bandwidth(static_cast<std::int64_t>(bound));
    default:
      return spec::number_text(bound);
  }
}

std::string range_text(const Option& option) {
  bool low = std::isfinite(option.range.min), high = std::isfinite(option.range.max);
  std::string out;
  if (low)
    out += (option.range.min_open ? " above " : " from ") + bound_text(option, option.range.min);
  if (high)
    out += (option.range.min_open ? " up to " : " to ") + bound_text(option, option.range.max);
  return out;
}

std::string join(std::span<const std::string_view> words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

}  // namespace

Result<double> parse_percentile(std::string_view text) {
  auto refuse = [&] {
    bool bare = !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
    return fail("\"" + std::string(text.substr(0, 80)) + "\" is not a percentile; write " +
                (bare ? "p" + std::string(text.substr(0, 8)) : "p50, p95, p99 or p99.9"));
  };
  if (!text.starts_with('p') || text.size() < 2) return refuse();
  std::string_view digits = text.substr(1);
  auto dot = std::min(digits.find('.'), digits.size());
  std::string_view whole = digits.substr(0, dot);
  std::string_view part = dot < digits.size() ? digits.substr(dot + 1) : "";
  if (whole.empty() || whole.size() > 2 || part.size() > 4 || (dot < digits.size() && part.empty()))
    return refuse();
  // p99.9 is the number written 0.999, not 99.9 / 100.
  std::string share = (whole.size() == 1 ? "0.0" : "0.") + std::string(whole) + std::string(part);
  if (share.find_first_not_of("0123456789.") != std::string::npos) return refuse();
  double value = parse_number(share).value_or(0);
  if (!(value > 0 && value < 1)) return refuse();
  return value;
}

Result<spec::PolicyChoice> parse_policy(std::string_view text) {
  auto colon = std::min(text.find(':'), text.size());
  std::string_view name = text.substr(0, colon);
  spec::PolicyChoice choice;
  auto kind = from_token<spec::PolicyKind>(name);
  if (!kind) {
    constexpr auto& kTokens = EnumTokens<spec::PolicyKind>::kTokens;
    std::string meant = suggest(name, {std::begin(kTokens), std::end(kTokens)});
    return fail("policy \"" + std::string(name.substr(0, 80)) + "\" is unknown" +
                (meant.empty() ? "; there are " + join(kTokens) : "; did you mean " + meant + "?"));
  }
  choice.policy = *kind;
  if (colon < text.size()) {
    choice.knob = parse_number(text.substr(colon + 1));
    if (!choice.knob)
      return fail("the knob of \"" + std::string(text.substr(0, 80)) + "\" is not a number");
  }
  if (auto fault = spec::check(Option{}, choice); !fault.empty())
    return fail("\"" + std::string(text.substr(0, 80)) + "\" " + fault);
  return choice;
}

Result<Value> parse_scalar(const Option& option, const Node& node) {
  switch (option.kind) {
    case Kind::kString:
    case Kind::kLabel:
      return parse_text(node);
    case Kind::kInteger:
      return parse_integer(node);
    case Kind::kNumber:
    case Kind::kMoney:
      return parse_double(node);
    case Kind::kBool:
      return parse_bool(node);
    case Kind::kEnum:
      return parse_token(option, node);
    case Kind::kDuration:
      return widened(read_duration(node.text));
    case Kind::kBytes:
      return widened(read_bytes(node.text));
    case Kind::kBandwidth:
      return widened(read_bandwidth(node.text));
    case Kind::kPolicy:
      return widened(parse_policy(node.text));
    case Kind::kSeconds: {
      auto value = parse_integer(node);
      if (!value) return value;
      std::int64_t n = std::get<std::int64_t>(*value);
      if (n < 0 || n > 1'000'000'000) return fail(describe(node) + " is out of range");
      return seconds(n);
    }
    case Kind::kSpread: {
      auto time = read_duration(node.text);
      if (!time) return fail(time.error());
      return spec::Spread{*time, *time, {}};
    }
    default:
      return fail(describe(node) + " is a single value");
  }
}

std::string value_text(const Option& option, const Value& value) {
  if (auto* v = std::get_if<bool>(&value)) return *v ? "true" : "false";
  if (auto* v = std::get_if<std::int64_t>(&value)) {
    if (option.kind == Kind::kBytes) return format_bytes(*v);
    return option.kind == Kind::kBandwidth ? format_bandwidth(*v) : std::to_string(*v);
  }
  if (auto* v = std::get_if<double>(&value)) return spec::number_text(*v);
  if (auto* v = std::get_if<std::string>(&value))
    return option.kind == Kind::kEnum ? *v : text_scalar(*v);
  if (auto* v = std::get_if<Duration>(&value)) {
    if (*v == Duration::max()) return "";  // no bound: Option::unset says what holds
    return option.kind == Kind::kSeconds ? std::to_string(v->count() / 1'000'000'000)
                                         : format_duration(*v);
  }
  if (auto* v = std::get_if<spec::PolicyChoice>(&value)) {
    return std::string(token(v->policy)) + (v->knob ? ":" + spec::number_text(*v->knob) : "");
  }
  if (auto* v = std::get_if<spec::LatencyBound>(&value)) {
    return "{" + percentile_text(v->percentile) + ": " + format_duration(v->bound) + "}";
  }
  if (auto* v = std::get_if<spec::Spread>(&value)) return spread_text(*v);
  std::string out;
  if (auto* v = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& item : *v) out += (out.empty() ? "" : ", ") + text_scalar(item);
    return "[" + out + "]";
  }
  if (auto* v = std::get_if<std::map<std::string, std::string>>(&value)) {
    for (const auto& [name, text] : *v)
      out += (out.empty() ? "" : ", ") + text_scalar(name) + ": " + text_scalar(text);
    return "{" + out + "}";
  }
  return "";
}

std::string accepted(const spec::Section& section, const Option& option) {
  std::string example(option.example);
  if (example.empty()) example = value_text(option, spec::default_value(section, option));
  std::string such = example.empty() || example == "\"\"" ? "" : ", such as " + example;
  switch (option.kind) {
    case Kind::kString:
      return "text" + such;
    case Kind::kLabel:
      return "a name of a-z, 0-9 and '-', at most 63 long" + such;
    case Kind::kInteger:
      return "a whole number" + range_text(option);
    case Kind::kNumber:
      return "a number" + range_text(option);
    case Kind::kMoney:
      return "dollars, a number" + range_text(option);
    case Kind::kBool:
      return "true or false";
    case Kind::kDuration:
      return "a duration" + range_text(option) + such;
    case Kind::kSeconds:
      return "whole seconds" + range_text(option) + ", without a unit";
    case Kind::kBytes:
      return "a size" + range_text(option) + such;
    case Kind::kBandwidth:
      return "a bandwidth" + range_text(option) + such;
    case Kind::kEnum:
      return "one of " + join(option.tokens);
    case Kind::kPolicy:
      return "one of " + join(option.tokens) + "; a knob may follow, as in static:4";
    case Kind::kPercentile:
      return "one percentile with a duration" + range_text(option) + such;
    case Kind::kSpread:
      return "a duration" + range_text(option) + ", {p50: .., p90: ..} or {samples: FILE}";
    case Kind::kStringList:
      return "a list of text" + such;
    case Kind::kStringMap:
      return "a map of text to text" + such;
    case Kind::kObject:
      return "a map";
    case Kind::kObjectList:
      return "a list of maps";
  }
  return "";
}

}  // namespace tidegate::format
