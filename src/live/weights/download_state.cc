#include "live/weights/download_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::live::weights {
namespace {

constexpr std::int64_t kHashLeast = 4 << 20;   // less is not worth a look, but at the end
constexpr std::int64_t kHashMost = 256 << 20;  // then another file may have the thread

}  // namespace

DownloadState::DownloadState(const FileList& list, const DownloadOptions& options, StateLog log,
                             std::vector<Fd> fds)
    : list_(list),
      options_(options),
      log_(std::move(log)),
      files_(list.files.size()),
      versions_(list.files.size()) {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    const StateLog::File& before = log_.files()[i];
    file.fd = std::move(fds[i]);
    file.size = before.size >= 0 ? before.size : list.files[i].size;
    file.etag = file.logged_etag = before.etag;
    file.logged_size = before.size;
    file.done = file.taken = before.done;
  }
}

std::optional<Piece> DownloadState::next_of(std::size_t index) {
  File& file = files_[index];
  if (all_there(file) || file.known == Known::kAsking) return std::nullopt;
  if (file.known == Known::kStream && file.users > 0) return std::nullopt;
  const bool first = file.known == Known::kNothing;
  // Bytes of a version given up may still be under way to the disk.
  if (first && file.users > 0) return std::nullopt;
  const Span whole{0, file.size >= 0 ? file.size : kMaxFileBytes};
  Piece piece{.file = index, .first = first, .version = versions_[index], .etag = file.etag};
  if (file.known == Known::kStream) {
    piece.stream = true;
    piece.span = whole;
  } else {
    auto gap = file.taken.gap(whole, options_.range_bytes);
    if (!gap) return std::nullopt;
    piece.span = *gap;
  }
  if (first) file.known = Known::kAsking;
  ++file.users;
  file.taken.add(piece.span);
  return piece;
}

std::optional<Piece> DownloadState::take() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (auto piece = next_of(i)) return piece;
    }
    changed_.wait(lock);
  }
  return std::nullopt;
}

Result<void> DownloadState::log_version(std::size_t index) {
  File& file = files_[index];
  const std::int64_t size = std::max<std::int64_t>(file.size, 0);
  if (file.logged_size == size && file.logged_etag == file.etag) return {};
  file.logged_size = size;
  file.logged_etag = file.etag;
  return log_.begins(index, size, file.etag, file.done);
}

void DownloadState::settle_version(std::size_t index, std::int64_t size, const std::string& etag) {
  File& file = files_[index];
  file.etag = etag;
  if (size >= 0) file.size = size;
  if (file.size < 0) return;  // told when the stream ends
  file.taken.remove({file.size, kMaxFileBytes});
  if (auto kept = log_version(index); !kept) fail_with(kept.error().message);
}

/// Nothing that was fetched of it counts any more.
void DownloadState::forget(File& file) {
  file.done.clear();
  file.taken.clear();
  file.hashed = 0;
  file.right = false;
  if (!file.hashing) file.sha256.reset();  // else hashed() does
}

Verdict DownloadState::learned(Piece& piece, const GetHead& head) {
  std::lock_guard lock(mutex_);
  File& file = files_[piece.file];
  if (versions_[piece.file] != piece.version) return Verdict::kChanged;
  const bool same_size = head.size < 0 || file.size < 0 || head.size == file.size;
  const bool same_etag = piece.etag.empty() || head.etag.empty() || head.etag == piece.etag;
  const std::int64_t published = list_.files[piece.file].size;
  if (published >= 0 && head.size >= 0 && head.size != published) {
    fail_with(
        fmt::format("{}: the source has {} bytes, its list says {}; it was changed, or is "
                    "another file: check the revision or the manifest",
                    list_.files[piece.file].path, head.size, published));
    return Verdict::kChanged;
  }
  if (head.partial) {
    if (head.from != piece.span.from || !same_size || !same_etag) return Verdict::kChanged;
    if (!piece.first) return Verdict::kTake;
    file.known = Known::kRanges;
    settle_version(piece.file, head.size, head.etag);
    if (file.size < 0) {
      fail_with(list_.files[piece.file].path + ": a range without the size of the whole");
    }
    piece.span.to = std::min(piece.span.to, std::max<std::int64_t>(file.size, 0));
    piece.etag = head.etag;
    changed_.notify_all();
    return Verdict::kTake;
  }
  return learned_whole(piece, head);
}

/// A 200: ranges are not known there, or what we had is of another version.
Verdict DownloadState::learned_whole(Piece& piece, const GetHead& head) {
  File& file = files_[piece.file];
  const bool same_etag = piece.etag.empty() || head.etag.empty() || head.etag == piece.etag;
  if (!same_etag || (!piece.first && !piece.stream)) return Verdict::kChanged;
  if (piece.stream && head.size >= 0 && file.size >= 0 && head.size != file.size) {
    return Verdict::kChanged;
  }
  ++versions_[piece.file];  // a hash under way is of bytes that are written anew
  piece.version = versions_[piece.file];
  forget(file);
  file.known = Known::kStream;
  file.size = list_.files[piece.file].size;
  settle_version(piece.file, head.size, head.etag);
  piece.span = {0, file.size >= 0 ? file.size : kMaxFileBytes};
  piece.stream = true;
  piece.etag = head.etag;
  file.taken.add(piece.span);
  return Verdict::kTakeAll;
}

void DownloadState::no_such_range(const Piece& piece, std::int64_t size) {
  std::lock_guard lock(mutex_);
  File& file = files_[piece.file];
  --file.users;
  if (versions_[piece.file] == piece.version) {
    const std::int64_t published = list_.files[piece.file].size;
    if (size == 0 && published <= 0 && piece.span.from == 0) {
      file.known = Known::kRanges;
      settle_version(piece.file, 0, file.etag);
    } else {
      start_again(piece.file, "the server has no such range: it is shorter by now");
    }
  }
  check_done();
  changed_.notify_all();
}

void DownloadState::finished(const Piece& piece, std::int64_t got) {
  std::lock_guard lock(mutex_);
  File& file = files_[piece.file];
  --file.users;
  if (versions_[piece.file] == piece.version) {
    Span there{piece.span.from, piece.span.from + got};
    file.taken.remove(piece.span);
    if (piece.stream && piece.span.to == kMaxFileBytes) {
      settle_version(piece.file, got, piece.etag);
    } else if (piece.stream && there != piece.span) {
      there = {};  // it comes from its first byte again
    }
    if (there.size() > 0) {
      file.done.add(there);
      file.taken.add(there);
      if (auto kept = log_.done(piece.file, there); !kept) fail_with(kept.error().message);
    }
    if (file.known == Known::kAsking) file.known = Known::kNothing;
  }
  check_done();
  changed_.notify_all();
}

void DownloadState::changed(const Piece& piece, const std::string& why) {
  std::lock_guard lock(mutex_);
  --files_[piece.file].users;
  if (!over_ && versions_[piece.file] == piece.version) start_again(piece.file, why);
  changed_.notify_all();
}

void DownloadState::start_again(std::size_t index, const std::string& why) {
  File& file = files_[index];
  const std::string& path = list_.files[index].path;
  if (++file.restarts > kMaxRestarts) {
    return fail_with(
        fmt::format("{}: {}; it started again {} times: is the source being written, "
                    "or does its list name another version?",
                    path, why, kMaxRestarts));
  }
  net::log(net::Level::kWarn, "a file starts again", {{"file", path}, {"why", why}});
  ++restarts_;
  ++versions_[index];
  file.known = Known::kNothing;
  file.size = list_.files[index].size;
  file.etag.clear();
  forget(file);
  // What was told of it must not count for the version to come.
  file.logged_size = -1;
  if (auto kept = log_version(index); !kept) fail_with(kept.error().message);
}

void DownloadState::refused(const std::string& why) {
  std::lock_guard lock(mutex_);
  fail_with(why);
}

void DownloadState::fail_with(const std::string& why) {
  if (!error_) error_ = Error{why};
  over_ = true;
  changed_.notify_all();
}

void DownloadState::hold_until(Instant when) {
  std::lock_guard lock(mutex_);
  held_until_ = std::max(held_until_, when);
}
Instant DownloadState::held_until() const {
  std::lock_guard lock(mutex_);
  return held_until_;
}

std::optional<DownloadState::HashTask> DownloadState::take_hash() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      File& file = files_[i];
      if (file.hashing || file.right || file.size < 0) continue;
      const std::int64_t front = file.done.prefix();
      const bool last = all_there(file) && file.size - file.hashed <= kHashMost;
      if (!last && front - file.hashed < kHashLeast) continue;
      file.hashing = true;
      return HashTask{.file = i,
                      .span = {file.hashed, std::min(front, file.hashed + kHashMost)},
                      .last = last,
                      .version = versions_[i],
                      .sha256 = &file.sha256};
    }
    changed_.wait(lock);
  }
  return std::nullopt;
}

void DownloadState::hashed(const HashTask& task, const std::string& sha256,
                           const std::string& git_blob) {
  std::lock_guard lock(mutex_);
  File& file = files_[task.file];
  file.hashing = false;
  const WantedFile& wanted = list_.files[task.file];
  if (versions_[task.file] != task.version) {
    file.sha256.reset();
  } else {
    file.hashed = task.span.to;
    if (task.last && all_there(file)) {
      const std::string& seen = wanted.digest_of == DigestOf::kGitBlob ? git_blob : sha256;
      if (wanted.digest_of != DigestOf::kNone && seen != wanted.digest) {
        start_again(task.file,
                    fmt::format("its digest is {}, {} was published", seen, wanted.digest));
      } else {
        file.right = true;
        file.published = wanted.digest_of != DigestOf::kNone;
        file.digest = sha256;
      }
    }
  }
  check_done();
  changed_.notify_all();
}

void DownloadState::check_done() {
  const bool done =
      std::all_of(files_.begin(), files_.end(), [](const File& f) { return f.right; });
  if (done) over_ = true;
}

void DownloadState::stop() {
  std::lock_guard lock(mutex_);
  fail_with("stopped");
}

bool DownloadState::wait(Duration wall) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(wall.count()), [this] { return over_.load(); });
  return over_;
}

Progress DownloadState::progress() const {
  std::lock_guard lock(mutex_);
  Progress out{.transferred = transferred_, .total = 0};
  for (const File& file : files_) {
    out.there += file.done.total();
    out.total = file.size < 0 || out.total < 0 ? -1 : out.total + file.size;
  }
  return out;
}

Result<Downloaded> DownloadState::result() {
  std::lock_guard lock(mutex_);
  if (error_) return fail(*error_);
  Downloaded out{.transferred = transferred_, .restarts = restarts_};
  for (std::size_t i = 0; i < files_.size(); ++i) {
    out.files.push_back(
        {list_.files[i].path, files_[i].size, files_[i].digest, files_[i].published});
  }
  return out;
}

}  // namespace tidegate::live::weights
