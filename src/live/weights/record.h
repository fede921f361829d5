#pragma once
// Record: what a complete set says of itself, in its folder: files, digests, source, how long the
// fetch took.
//
//   if (auto record = read_record(folder)) use(record->bytes);
//
// JSON, `schemaVersion` 1. Times: seconds since 1970, durations in seconds. Thread-safety: values
// and functions of files.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "live/weights/download.h"

namespace tidegate::live::weights {

inline constexpr const char* kRecordFile = ".tidegate-weights.json";
inline constexpr const char* kUseFile = ".tidegate-use";

struct Record {
  std::string name, source, revision;
  std::int64_t bytes = 0;
  std::vector<FetchedFile> files;
  double fetched_at = 0;         ///< when it was complete
  double seconds = 0;            ///< from the first byte asked for to complete, this time
  std::int64_t transferred = 0;  ///< over the wire in that time
  bool resumed = false;          ///< an earlier start had fetched the rest
};

std::string to_text(const Record& record);
Result<Record> parse_record(const std::string& text);
Result<Record> read_record(const std::string& folder);

/// One fault of a set as it lies on disk.
struct Fault {
  std::string path, what;
};
/// Reads every byte again, in several threads.
std::vector<Fault> verify(const std::string& folder, const Record& record, int threads);

}  // namespace tidegate::live::weights
