#include "format/promql.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

namespace tidegate::format {
namespace {

namespace dom = simdjson::dom;
using Kind = PromqlAnswer::Kind;

constexpr std::size_t kShown = 200;  // bytes of something that is no answer

std::string_view text_of(const dom::element& object, std::string_view key) {
  std::string_view out;
  if (object[key].get(out) != simdjson::SUCCESS) return {};
  return out;
}

std::optional<Kind> kind_of(std::string_view type) {
  if (type == "vector") return Kind::kVector;
  if (type == "matrix") return Kind::kMatrix;
  if (type == "scalar") return Kind::kScalar;
  if (type == "string") return Kind::kString;
  return std::nullopt;
}

/// [1767323045.781, "3.2"]
bool read_sample(const dom::element& pair, SampleLine& out) {
  double at = 0;
  std::string_view value;
  if (pair.at(0).get(at) != simdjson::SUCCESS || pair.at(1).get(value) != simdjson::SUCCESS) {
    return false;
  }
  const std::optional<double> number = parse_number(value);
  if (!number || !(at > -1e10 && at < 1e10)) return false;
  out.value = *number;
  constexpr double kMillis = 1e3;
  const auto millis = static_cast<std::int64_t>(at * kMillis + (at < 0 ? -0.5 : 0.5));
  out.timestamp = WallTime::from_unix_nanos(millis * 1'000'000);
  return true;
}

bool read_labels(const dom::element& series, SampleLine& out) {
  dom::object labels;
  if (series["metric"].get(labels) != simdjson::SUCCESS) return false;
  for (const auto& label : labels) {
    std::string_view value;
    if (out.label_count == SampleLine::kMaxLabels || label.value.get(value) != simdjson::SUCCESS) {
      return false;
    }
    out.label_array[out.label_count++] = {label.key, value, false};
  }
  return true;
}

tl::unexpected<Error> no_answer(std::string_view body) {
  return fail(fmt::format("this is no answer of a Prometheus: \"{}\"{}", body.substr(0, kShown),
                          body.size() > kShown ? "..." : ""));
}

}  // namespace

struct PromqlAnswer::Document {
  dom::parser parser;
  dom::element scalar;
  std::vector<dom::element> series;
};

PromqlAnswer::PromqlAnswer(std::unique_ptr<Document> document, Kind kind)
    : document_(std::move(document)), kind_(kind) {}
PromqlAnswer::PromqlAnswer(PromqlAnswer&&) noexcept = default;
PromqlAnswer& PromqlAnswer::operator=(PromqlAnswer&&) noexcept = default;
PromqlAnswer::~PromqlAnswer() = default;

Result<PromqlAnswer> PromqlAnswer::parse(std::string_view body) {
  auto document = std::make_unique<Document>();
  dom::element root;
  if (document->parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      !root.is_object()) {
    return no_answer(body);
  }
  const std::string_view status = text_of(root, "status");
  if (status == "error") {
    return fail(fmt::format("{}: {}", text_of(root, "errorType"), text_of(root, "error")));
  }
  dom::element data, result;
  if (status != "success" || root["data"].get(data) != simdjson::SUCCESS ||
      data["result"].get(result) != simdjson::SUCCESS) {
    return no_answer(body);
  }
  const std::optional<Kind> kind = kind_of(text_of(data, "resultType"));
  dom::array items;
  if (!kind || result.get(items) != simdjson::SUCCESS) return no_answer(body);
  if (*kind == Kind::kVector || *kind == Kind::kMatrix) {
    document->series.reserve(items.size());
    for (const dom::element& one : items) document->series.push_back(one);
  } else {
    document->scalar = result;
  }
  PromqlAnswer out(std::move(document), *kind);
  if (dom::array warnings; root["warnings"].get(warnings) == simdjson::SUCCESS) {
    for (const dom::element& one : warnings) {
      std::string_view text;
      if (out.warnings_.size() < kMaxWarnings && one.get(text) == simdjson::SUCCESS) {
        out.warnings_.emplace_back(text);
      }
    }
  }
  return out;
}

std::size_t PromqlAnswer::size() const {
  const bool many = kind_ == Kind::kVector || kind_ == Kind::kMatrix;
  return many ? document_->series.size() : 1;
}

bool PromqlAnswer::read(std::size_t i, SampleLine& out) const {
  out.name = NameSet::kNone;
  out.label_count = 0;
  if (kind_ == Kind::kScalar) return read_sample(document_->scalar, out);
  if (kind_ == Kind::kString) return false;
  const dom::element& series = document_->series[i];
  if (!read_labels(series, out)) return false;
  dom::element sample;
  if (kind_ == Kind::kVector) {
    return series["value"].get(sample) == simdjson::SUCCESS && read_sample(sample, out);
  }
  dom::array samples;
  if (series["values"].get(samples) != simdjson::SUCCESS || samples.size() == 0) return false;
  for (const dom::element& one : samples) sample = one;
  return read_sample(sample, out);
}

std::string promql_page(const PageReader& reader, std::string_view matchers, Duration range) {
  std::string names;
  for (std::size_t i = 0; i < reader.names().size(); ++i) {
    names += (names.empty() ? "" : "|") + std::string(reader.names().name(static_cast<int>(i)));
  }
  return fmt::format("{{__name__=~\"{}\"{}{}}}[{}ms]", names, matchers.empty() ? "" : ",", matchers,
                     range / millis(1));
}

std::string promql_oldest(const std::vector<std::string>& selectors) {
  std::string out;
  for (std::size_t i = 0; i < selectors.size(); ++i) {
    // `or` takes a series only where the left side has none of its labels: give each its own.
    out += fmt::format("{}label_replace(min(timestamp({})),\"of\",\"{}\",\"\",\"\")",
                       i == 0 ? "" : " or ", selectors[i], i);
  }
  return "min(" + out + ")";
}

}  // namespace tidegate::format
