#pragma once
// The file of `tidegate tune --state`: read at the start, a line appended as each run ends.
//
//   auto file = TuneFile::open("tune.jsonl", log);   // what it holds is in the log now
//   auto kept = file->append(log.add(run, outcome));
//
// Each line is one write at the end of the file; one that was cut off by a kill is ended first.
// Thread-safety: one owner.

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "sim/search/tune_log.h"

namespace tidegate::cli {

class TuneFile {
 public:
  /// An empty path keeps nothing.
  static Result<TuneFile> open(const std::string& path, sim::TuneLog& log);
  TuneFile(TuneFile&& other) noexcept;
  TuneFile& operator=(TuneFile&&) = delete;
  ~TuneFile();

  Result<void> append(const std::string& line);

 private:
  TuneFile() = default;
  std::string path_;
  int file_ = -1;
};

/// xxh3 of a file's bytes.
Result<std::uint64_t> hash_of_file(const std::string& path);
std::uint64_t hash_of_text(const std::string& text);
/// Of all that a simulation reads of a request, and of those `before` it.
std::uint64_t hash_of(const workload::TraceRequest& request, std::uint64_t before);

}  // namespace tidegate::cli
