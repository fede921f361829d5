#pragma once
// Exposition text of an engine -> a signal::Page, by the engine's dialect.
//
//   PageReader reader(signal::dialect(DialectId::kVllm), HistogramSet().with(SignalId::kTtft));
//   signal::Page page(reader.dialect());
//   PageStats stats = reader.read(text, TextFormat::kPrometheus, page);   // clears the page first
//
// Only the names in the dialect's table are looked at; histograms that are not in the set cost
// nothing. A bucket without a numeric `le` is left out. Never throws; thread-safety: const, one
// Page per thread.

#include <optional>
#include <string_view>
#include <vector>

#include "core/signal/page.h"
#include "format/exposition.h"

namespace tidegate::format {

class PageReader {
 public:
  PageReader(const signal::Dialect& dialect, signal::HistogramSet histograms);
  PageStats read(std::string_view text, TextFormat format, signal::Page& page) const;
  /// One series that came by another way: `line` holds its value and labels. Does not clear the
  /// page. A name that is not looked for is passed over.
  void add(std::string_view name, const SampleLine& line, signal::Page& page) const;
  const signal::Dialect& dialect() const { return *dialect_; }
  /// Every series name looked for; of histograms only those asked for.
  const NameSet& names() const { return names_; }

 private:
  /// What a name means: rows [first, last) of the dialect, and which part of a histogram.
  struct Use {
    std::uint16_t first = 0, last = 0;
    signal::Part part = signal::Part::kValue;
  };
  struct Table {
    std::vector<std::string> names;
    std::vector<Use> uses;
  };
  static Table tabulate(const signal::Dialect& dialect, signal::HistogramSet histograms);
  PageReader(Table table, const signal::Dialect& dialect);
  void take(const SampleLine& line, const Use& use, signal::Page& page) const;

  const signal::Dialect* dialect_;
  std::vector<Use> uses_;
  NameSet names_;
};

/// The dialect most of whose names are on the page; the first in order of DialectId where two tie.
/// Nothing where no name of any is.
std::optional<signal::DialectId> detect_dialect(std::string_view text);

}  // namespace tidegate::format
