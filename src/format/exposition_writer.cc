#include "format/exposition_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/check.h"

namespace tidegate::format {
namespace {

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kUntyped:
      return "untyped";
  }
  return "untyped";
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const Labels& labels, double value) {
  out.append(name).append(suffix);
  if (!labels.empty()) {
    char separator = '{';
    for (const auto& [key, text] : labels) {
      out += separator;
      out.append(key).append("=\"");
      append_escaped(out, text, true);
      out += '"';
      separator = ',';
    }
    out += '}';
  }
  out += ' ';
  out += exposition_number(value);
  out += '\n';
}

}  // namespace

std::string exposition_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // The shortest digits that read back the same: d.ddde+XX.
  char buffer[40];
  auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  TIDEGATE_CHECK(error == std::errc());
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  std::string sign = text.starts_with('-') ? "-" : "";
  text.remove_prefix(sign.size());
  std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  std::string digits(text.substr(0, 1));
  if (e > 2) digits.append(text.substr(2, e - 2));
  // Python's repr is fixed in 1e-4..1e16; the client turns positive ones of seven integer digits
  // and more into Go's form, with its own zero before the exponent.
  if (exponent < -4 || exponent >= 16) return sign + std::string(text);
  if (exponent >= 6 && sign.empty()) {
    return std::string(text.substr(0, e)) + "e+0" + std::to_string(exponent);
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  }
  std::size_t whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits.append(whole - digits.size(), '0') + ".0";
  return sign + digits.insert(whole, ".");
}

void ExpositionWriter::family(std::string_view name, MetricType type, std::string_view help) {
  out_.append("# HELP ").append(name).append(" ");
  append_escaped(out_, help, false);
  out_.append("\n# TYPE ").append(name).append(" ").append(type_name(type)).append("\n");
}

void ExpositionWriter::sample(std::string_view name, Labels labels, double value) {
  std::sort(labels.begin(), labels.end());
  append_sample(out_, name, "", labels, value);
}

void ExpositionWriter::histogram(std::string_view name, Labels labels,
                                 std::span<const double> bounds,
                                 std::span<const std::int64_t> counts, double sum) {
  TIDEGATE_CHECK(counts.size() == bounds.size() + 1);
  std::sort(labels.begin(), labels.end());
  Labels with_le = labels;
  auto le =
      with_le.insert(std::lower_bound(with_le.begin(), with_le.end(),
                                      std::pair<std::string_view, std::string_view>("le", "")),
                     {"le", ""});
  std::int64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    std::string bound = i < bounds.size() ? exposition_number(bounds[i]) : "+Inf";
    le->second = bound;
    append_sample(out_, name, "_bucket", with_le, static_cast<double>(total));
  }
  append_sample(out_, name, "_count", labels, static_cast<double>(total));
  append_sample(out_, name, "_sum", labels, sum);
}

}  // namespace tidegate::format
