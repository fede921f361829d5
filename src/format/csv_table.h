#pragma once
// CsvTable: a small CSV file with a header, whole in memory, read by column name.
//
//   auto table = read_csv_table("grid.csv");
//   for (std::size_t row = 0; row < table->rows(); ++row) use(table->number(row, "isl"));
//
// Quoted fields may hold commas and doubled quotes, not line ends. A row with another number of
// fields than the header is an error naming its line. For traces, which are streamed, see trace.h.
// Thread-safety: a value.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace tidegate::format {

inline constexpr std::size_t kMaxCsvTableRows = 1'000'000;
inline constexpr std::size_t kMaxCsvTableBytes = 512u << 20;

class CsvTable {
 public:
  std::size_t rows() const { return lines_.size(); }
  bool has(std::string_view column) const { return columns_.contains(column); }
  const std::vector<std::string>& header() const { return header_; }
  /// 1-based line of the file.
  std::int64_t line(std::size_t row) const { return lines_[row]; }
  /// Empty where the column is not there.
  const std::string& text(std::size_t row, std::string_view column) const;
  /// Nothing where it is empty, no finite number, or the column is not there.
  std::optional<double> number(std::size_t row, std::string_view column) const;

  /// `name` is for messages.
  static Result<CsvTable> parse(std::string_view text, std::string_view name);

 private:
  std::vector<std::string> header_;
  std::map<std::string, std::size_t, std::less<>> columns_;
  std::vector<std::int64_t> lines_;
  std::vector<std::string> cells_;
};

Result<CsvTable> read_csv_table(const std::string& path);
/// A whole file, at most kMaxCsvTableBytes.
Result<std::string> read_text_file(const std::string& path);

}  // namespace tidegate::format
