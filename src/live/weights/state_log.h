#pragma once
// StateLog: which ranges of a set are on disk, so that a fetch that was killed goes on where it
// was.
//
//   auto log = StateLog::open(folder, list).value();   // ranges of files that are still the same
//   log.begins(0, size, "\"etag\"");                    // of this version of file 0
//   log.done(0, {0, 33554432});                         // told only after the bytes were synced
//
// A text file in the folder, a JSON value a line, appended and synced; a last line that is cut off
// is ignored. Opening writes it anew, small. Bytes that it says are there were synced before the
// line was: also a machine that loses power keeps them. Thread-safety: one owner, or a lock.

#include <string>
#include <vector>

#include "live/weights/file_list.h"
#include "live/weights/intervals.h"

namespace tidegate::live::weights {

inline constexpr const char* kStateFile = ".tidegate-state";
inline constexpr std::size_t kMaxStateBytes = 256u << 20;

class StateLog {
 public:
  struct File {
    std::int64_t size = -1;
    std::string etag;  ///< as the server sent it; empty: it sent none
    Intervals done;
  };
  static Result<StateLog> open(const std::string& folder, const FileList& list);
  StateLog(StateLog&& other) noexcept;
  StateLog& operator=(StateLog&&) = delete;
  ~StateLog();

  /// As opened, in the list's order.
  const std::vector<File>& files() const { return files_; }
  /// From here on the file is this version, and of what was told before only `done` counts.
  Result<void> begins(std::size_t file, std::int64_t size, const std::string& etag,
                      const Intervals& done);
  Result<void> done(std::size_t file, Span span);

 private:
  explicit StateLog(int fd) : fd_(fd) {}
  Result<void> append(const std::string& line);
  int fd_ = -1;
  std::vector<WantedFile> wanted_;
  std::vector<File> files_;
};

}  // namespace tidegate::live::weights
