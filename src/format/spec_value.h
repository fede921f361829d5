#pragma once
// Values of the option table <-> text, and the words that errors use for what is accepted.
//
//   Result<spec::Value> v = parse_scalar(row, node);   // typed, not yet held against the range
//   std::string shown = value_text(row, *v);           // as one would write it in YAML
//
// Thread-safety: pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/spec/options.h"
#include "format/spec_tree.h"

namespace tidegate::format {

/// For kinds that are one scalar; the error says what is wrong, not what is accepted.
Result<spec::Value> parse_scalar(const spec::Option& option, const Node& node);
/// "p99.9" -> 0.999 exactly.
Result<double> parse_percentile(std::string_view text);

/// One line of YAML (flow style) that reads back as the same value; empty for monostate and
/// Duration::max().
std::string value_text(const spec::Option& option, const spec::Value& value);
/// "a duration from 1s to 1h, such as 60s".
std::string accepted(const spec::Section& section, const spec::Option& option);

/// The candidate that was probably meant, or empty: same letters, else the least edits within a
/// third.
std::string suggest(std::string_view seen, const std::vector<std::string_view>& candidates);

}  // namespace tidegate::format
