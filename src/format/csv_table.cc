#include "format/csv_table.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

namespace tidegate::format {
namespace {

/// The fields of one line; false where a quote is not closed.
bool split(std::string_view line, std::vector<std::string>& out) {
  out.clear();
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (c == ',' && !quoted) {
      out.push_back(std::move(field));
      field.clear();
    } else {
      field += c;
    }
  }
  out.push_back(std::move(field));
  return !quoted;
}

}  // namespace

const std::string& CsvTable::text(std::size_t row, std::string_view column) const {
  static const std::string kNone;
  auto at = columns_.find(column);
  return at == columns_.end() ? kNone : cells_[row * header_.size() + at->second];
}

std::optional<double> CsvTable::number(std::size_t row, std::string_view column) const {
  const std::string& cell = text(row, column);
  double value = 0;
  auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (cell.empty() || error != std::errc{} || end != cell.data() + cell.size()) return {};
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Result<CsvTable> CsvTable::parse(std::string_view text, std::string_view name) {
  CsvTable out;
  std::vector<std::string> fields;
  std::int64_t number = 0;
  auto refuse = [&](const std::string& fault) {
    return fail(std::string(name) + ":" + std::to_string(number) + ": " + fault);
  };
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (!split(line, fields)) return refuse("a quote is not closed");
    if (out.header_.empty()) {
      out.header_ = fields;
      for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!out.columns_.emplace(fields[i], i).second)
          return refuse("the column \"" + fields[i] + "\" is there twice");
      }
      continue;
    }
    if (fields.size() != out.header_.size()) {
      return refuse("expected " + std::to_string(out.header_.size()) +
                    " fields as in the header, found " + std::to_string(fields.size()));
    }
    if (out.lines_.size() == kMaxCsvTableRows)
      return refuse("more than " + std::to_string(kMaxCsvTableRows) + " rows");
    out.lines_.push_back(number);
    for (std::string& field : fields) out.cells_.push_back(std::move(field));
  }
  if (out.header_.empty()) return fail(std::string(name) + ": is empty; expected a CSV header");
  return out;
}

Result<std::string> read_text_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (file) file.peek();  // a directory opens, but does not read
  if (!file.is_open() || file.bad()) {
    return fail(path + ": cannot be read: " + std::strerror(errno != 0 ? errno : EISDIR));
  }
  file.clear();
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return fail(path + ": cannot be read to its end");
  if (text.size() > kMaxCsvTableBytes)
    return fail(path + ": is larger than " + std::to_string(kMaxCsvTableBytes >> 20) + " MiB");
  return text;
}

Result<CsvTable> read_csv_table(const std::string& path) {
  auto text = read_text_file(path);
  if (!text) return fail(text.error());
  return CsvTable::parse(*text, path);
}

}  // namespace tidegate::format
