#include "format/exposition_signals.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <limits>
#include <utility>

namespace tidegate::format {
namespace {

using signal::DialectRow;
using signal::Part;
using signal::Shape;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string_view> views(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

const Label* find_label(const SampleLine& line, std::string_view name) {
  for (const Label& l : line.labels()) {
    if (l.name == name) return &l;
  }
  return nullptr;
}

/// Every name that belongs to one dialect alone, for detection.
struct Directory {
  std::vector<std::string> names;
  std::vector<signal::DialectId> owners;
};
Directory directory() {
  Directory out;
  for (std::size_t d = 0; d < signal::kDialectCount; ++d) {
    auto id = static_cast<signal::DialectId>(d);
    for (const DialectRow& row : signal::dialect(id).rows) {
      std::string name(row.name);
      if (signal::shape_of(row.signal) == Shape::kHistogram) name += "_count";
      if (!out.names.empty() && out.names.back() == name) continue;
      out.names.push_back(std::move(name));
      out.owners.push_back(id);
    }
  }
  return out;
}

}  // namespace

PageReader::Table PageReader::tabulate(const signal::Dialect& dialect,
                                       signal::HistogramSet histograms) {
  Table table;
  auto put = [&](std::string name, std::size_t first, std::size_t last, Part part) {
    table.names.push_back(std::move(name));
    table.uses.push_back(
        {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last), part});
  };
  for (std::size_t i = 0, next = 0; i < dialect.rows.size(); i = next) {
    const DialectRow& row = dialect.rows[i];
    for (next = i + 1; next < dialect.rows.size() && dialect.rows[next].name == row.name;) ++next;
    if (signal::shape_of(row.signal) != Shape::kHistogram) {
      put(std::string(row.name), i, next, Part::kValue);
    } else if (histograms.has(row.signal)) {
      put(std::string(row.name) + "_bucket", i, next, Part::kBucket);
      put(std::string(row.name) + "_sum", i, next, Part::kSum);
      put(std::string(row.name) + "_count", i, next, Part::kCount);
    }
  }
  return table;
}

PageReader::PageReader(const signal::Dialect& dialect, signal::HistogramSet histograms)
    : PageReader(tabulate(dialect, histograms), dialect) {}
PageReader::PageReader(Table table, const signal::Dialect& dialect)
    : dialect_(&dialect), uses_(std::move(table.uses)), names_(views(table.names)) {}

void PageReader::take(const SampleLine& line, const Use& use, signal::Page& page) const {
  signal::RowSample sample{.part = use.part, .value = line.value};
  if (use.part == Part::kBucket) {
    std::optional<double> bound = parse_number(line.label("le"));
    if (!bound) return;
    sample.bound = *bound;
  }
  for (std::uint16_t i = use.first; i < use.last; ++i) {
    const DialectRow& row = dialect_->rows[i];
    if (!row.match.name.empty() && line.label(row.match.name) != row.match.value) continue;
    sample.row = i;
    if (row.reduce == signal::Reduce::kRanks) {
      sample.rank_group = parse_number(line.label(signal::kRanksLabel)).value_or(0);
    }
    std::string unescaped;
    if (!row.from_label.empty()) {
      const Label* label = find_label(line, row.from_label);
      if (label == nullptr) continue;
      if (signal::shape_of(row.signal) == Shape::kText) {
        if (label->escaped) unescaped = unescape(label->value);
        sample.text = label->escaped ? std::string_view(unescaped) : label->value;
      } else {
        sample.label_value = parse_number(label->value).value_or(kNan);
      }
    }
    page.add(sample);
  }
}

void PageReader::add(std::string_view name, const SampleLine& line, signal::Page& page) const {
  const int index = names_.find(name);
  if (index != NameSet::kNone) take(line, uses_[static_cast<std::size_t>(index)], page);
}

PageStats PageReader::read(std::string_view text, TextFormat format, signal::Page& page) const {
  page.reset(*dialect_);
  Exposition exposition(text, format, names_);
  for (SampleLine line; exposition.next(line);) {
    take(line, uses_[static_cast<std::size_t>(line.name)], page);
  }
  return exposition.stats();
}

std::optional<signal::DialectId> detect_dialect(std::string_view text) {
  const Directory all = directory();
  const NameSet names(views(all.names));
  std::bitset<NameSet::kMaxNames> seen;
  std::array<int, signal::kDialectCount> found{};
  Exposition exposition(text, TextFormat::kPrometheus, names);
  for (SampleLine line; exposition.next(line);) {
    auto name = static_cast<std::size_t>(line.name);
    if (seen.test(name)) continue;
    seen.set(name);
    ++found[static_cast<std::size_t>(all.owners[name])];
  }
  auto best = std::max_element(found.begin(), found.end());
  if (*best == 0) return std::nullopt;
  return static_cast<signal::DialectId>(best - found.begin());
}

}  // namespace tidegate::format
