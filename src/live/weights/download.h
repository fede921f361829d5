#pragma once
// Download: all files of a set into a folder, over several connections, each range once.
//
//   auto result = download(folder, list, access, {.connections = 8}, &stop, on_progress);
//   if (result) publish(folder, result->files);
//
// A file's first range goes alone: it says how large the file is, which version (ETag), and whether
// the server knows ranges at all; then the others follow, of all files at once, at most
// `connections`. A range is synced, then written to the state log: killed at any moment, the next
// start fetches what was missing and at most the ranges under way. Another ETag or size in the
// middle starts that file again; without ranges it comes as one stream. SHA-256 is computed by
// threads of its own that follow the written front of each file; a digest that is not the
// published one starts the file again. Cut, slow, 408, 429 and 5xx are tried again, kMaxAttempts in
// a row without a byte; a file starts again at most kMaxRestarts times. Blocks until all is there,
// refused, or `stop`. Thread-safety: `stop` may be set by any thread; on_progress comes from the
// calling one.

#include <atomic>
#include <functional>

#include "live/weights/file_list.h"
#include "live/weights/transport.h"

namespace tidegate::live::weights {

inline constexpr int kMaxConnections = 256;
inline constexpr int kMaxRestarts = 3;

struct DownloadOptions {
  int connections = 8;
  std::int64_t range_bytes = 32 << 20;
  std::int64_t bytes_per_second = 0;  ///< of all together; 0: no limit
  int hashing_threads = 2;
  Duration progress_every = millis(500);
};

struct Progress {
  std::int64_t there = 0;        ///< bytes on disk, of earlier starts too
  std::int64_t transferred = 0;  ///< bytes that came over the wire this time
  std::int64_t total = -1;       ///< -1: a size is not known yet
};

struct FetchedFile {
  std::string path;
  std::int64_t size = 0;
  std::string sha256;
  bool published = false;  ///< the source's own digest was compared, and is right
};

struct Downloaded {
  std::vector<FetchedFile> files;
  std::int64_t transferred = 0;
  int restarts = 0;  ///< files that had to start again
};

/// An error is also what `stop` leads to: "stopped".
Result<Downloaded> download(const std::string& folder, const FileList& list,
                            const SourceAccess& access, const DownloadOptions& options,
                            const std::atomic<bool>* stop,
                            const std::function<void(const Progress&)>& on_progress);

}  // namespace tidegate::live::weights
