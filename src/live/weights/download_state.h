#pragma once
// What the threads of a download share: which range is next, what came, what is to be hashed. No
// I/O but the state log's. Inside this folder only.
//
//   std::optional<Piece> piece = state.take();     // blocks; nothing: there is no more to do
//   state.learned(*piece, head); ... state.finished(*piece, got);
//
// Thread-safe: one mutex; what a piece writes to is the piece's alone.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "live/net/tls/digest.h"
#include "live/weights/disk.h"
#include "live/weights/download.h"
#include "live/weights/intervals.h"
#include "live/weights/state_log.h"

namespace tidegate::live::weights {

/// Bytes for one thread to fetch.
struct Piece {
  std::size_t file = 0;
  Span span;            ///< `to` is kMaxFileBytes where the end is not known
  bool first = false;   ///< goes alone: its answer decides how the rest is fetched
  bool stream = false;  ///< the whole, without a range
  std::uint64_t version = 0;
  std::string etag;  ///< to hold the server to
};

/// What the head of an answer means for a piece.
enum class Verdict : std::uint8_t {
  kTake,     ///< the bytes are those of the piece
  kTakeAll,  ///< the whole file comes, from its first byte; the piece is that now
  kChanged,  ///< the file is another: it starts again
};

class DownloadState {
 public:
  DownloadState(const FileList& list, const DownloadOptions& options, StateLog log,
                std::vector<Fd> fds);

  std::optional<Piece> take();
  Verdict learned(Piece& piece, const GetHead& head);
  /// 416: there is no such range in a file of this size.
  void no_such_range(const Piece& piece, std::int64_t size);
  /// `got` bytes from its start are on disk and synced; what is left goes back.
  void finished(const Piece& piece, std::int64_t got);
  void changed(const Piece& piece, const std::string& why);
  void refused(const std::string& why);
  /// 429: nobody asks before then.
  void hold_until(Instant when);
  Instant held_until() const;
  /// The piece is of a version that counts no more, or all is over.
  bool stale(const Piece& piece) const {
    return over_.load() || versions_[piece.file].load() != piece.version;
  }

  struct HashTask {
    std::size_t file = 0;
    Span span;
    bool last = false;
    std::uint64_t version = 0;
    net::Digest* sha256 = nullptr;  ///< the task's alone until hashed()
  };
  std::optional<HashTask> take_hash();
  void hashed(const HashTask& task, const std::string& sha256, const std::string& git_blob);

  void stop();
  bool wait(Duration wall);  ///< true: over
  Progress progress() const;
  Result<Downloaded> result();
  int fd(std::size_t file) const { return files_[file].fd.get(); }
  const WantedFile& wanted(std::size_t file) const { return list_.files[file]; }
  void came(std::int64_t bytes) { transferred_ += bytes; }

 private:
  enum class Known : std::uint8_t { kNothing, kAsking, kRanges, kStream };
  struct File {
    Fd fd;
    Known known = Known::kNothing;
    std::int64_t size = -1;
    std::string etag;
    Intervals done, taken;
    int users = 0;  ///< pieces out
    std::int64_t logged_size = -1;
    std::string logged_etag;
    int restarts = 0;
    std::int64_t hashed = 0;
    bool hashing = false, right = false, published = false;
    net::Digest sha256{net::DigestKind::kSha256};
    std::string digest;
  };
  std::optional<Piece> next_of(std::size_t index);
  bool all_there(const File& file) const {
    return file.size >= 0 && file.done.total() == file.size;
  }
  void start_again(std::size_t index, const std::string& why);
  void settle_version(std::size_t index, std::int64_t size, const std::string& etag);
  Result<void> log_version(std::size_t index);
  static void forget(File& file);
  Verdict learned_whole(Piece& piece, const GetHead& head);
  void fail_with(const std::string& why);
  void check_done();

  const FileList& list_;
  DownloadOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  StateLog log_;
  std::vector<File> files_;
  std::vector<std::atomic<std::uint64_t>> versions_;
  std::atomic<bool> over_ = false;
  std::atomic<std::int64_t> transferred_ = 0;
  Instant held_until_;
  std::optional<Error> error_;
  int restarts_ = 0;
};

}  // namespace tidegate::live::weights
