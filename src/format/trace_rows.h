#pragma once
// Rows of request traces: one line -> one TraceRequest with the time its file gives. Internal to
// trace.cc.

#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/trace.h"

namespace tidegate::format {

/// Lines of a stream without their ends (\n or \r\n); over-long ones come out empty with
/// `oversize`.
class LineReader {
 public:
  explicit LineReader(std::istream& in) : in_(in) {}
  struct Line {
    std::string_view text;  ///< valid until the next call
    std::int64_t number = 0;
    bool oversize = false;
  };
  bool next(Line& line);
  /// The last line comes once more.
  void again() { again_ = true; }
  std::int64_t bytes_consumed() const { return consumed_; }

 private:
  bool fill();
  std::istream& in_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
  std::int64_t consumed_ = 0;
  Line last_;
  bool again_ = false;
};

/// Which column holds what, from the header; or that lines are JSON.
class RowFormat {
 public:
  /// `first` is the first line that is not empty. Error: what it is not.
  static Result<RowFormat> recognise(std::string_view first);
  TraceKind kind() const { return kind_; }
  bool has_header() const { return has_header_; }

  /// Empty, or why the row is broken. Times are as in the file (`calendar()` says of which kind).
  std::string parse(std::string_view line, std::int64_t prefix_block_tokens, Duration& time,
                    workload::TraceRequest& out);
  /// For kRate.
  std::string parse_rate(std::string_view line, Duration& time, double& rate);
  /// Times are calendar times: the first row is the start.
  bool calendar() const { return kind_ == TraceKind::kAzure || kind_ == TraceKind::kEngineRun; }

 private:
  enum Column { kTime, kPrompt, kOutput, kModel, kTenant, kPriority, kAdapter, kPrefix, kColumns };
  std::string parse_json(std::string_view line, std::int64_t prefix_block_tokens, Duration& time,
                         workload::TraceRequest& out);
  void split(std::string_view line);
  /// The field of a column; empty if the format has none.
  std::string_view field(Column column) const;

  TraceKind kind_ = TraceKind::kTidegate;
  bool has_header_ = true;
  int columns_[kColumns] = {-1, -1, -1, -1, -1, -1, -1, -1};
  std::vector<std::string_view> fields_;
  struct Json;
  std::shared_ptr<Json> json_;  // for JSON lines only
};

}  // namespace tidegate::format
