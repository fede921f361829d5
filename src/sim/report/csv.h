#pragma once
// CSV files of a simulation: a row per request, a row per decision and variant, as they happen.
//
//   RequestCsv csv(file, "keda:5", "qwen3-32b");
//   file.write(RequestCsv::header());
//   World world({.recorder = &csv});
//
// RFC 4180: CRLF ends a row; a field with comma, quote or line end stands in quotes. Seconds are
// exact to the nanosecond, counted from the start of the trace; what did not happen is empty.
// Recorders of several policies and models may write one file: rows then stand in the order told.
// Thread-safety: that of the world.

#include <string>
#include <string_view>

#include "core/spec/model.h"
#include "sim/recorder.h"
#include "sim/report/out_file.h"

namespace tidegate::sim {

/// `text` as one field.
std::string csv_field(std::string_view text);

class RequestCsv : public Recorder {
 public:
  /// With the end of its row.
  static std::string_view header();
  /// `file` must outlive it.
  RequestCsv(OutFile& file, std::string_view policy, std::string_view model);
  void request(const RequestRecord& record) override;

 private:
  OutFile& file_;
  std::string names_, row_;
};

class DecisionCsv : public Recorder {
 public:
  static std::string_view header();
  DecisionCsv(OutFile& file, std::string_view policy, std::string_view model);
  void decision(const control::Decision& decision, std::int64_t repeats) override;

 private:
  OutFile& file_;
  std::string names_, row_;
};

}  // namespace tidegate::sim
