#include "live/weights/download.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "core/base/rng.h"
#include "live/net/clock.h"
#include "live/net/log.h"
#include "live/weights/download_state.h"
#include "live/weights/pacer.h"

namespace tidegate::live::weights {
namespace {

constexpr std::size_t kHashPiece = 1 << 20;

/// One connection: takes pieces and writes their bytes until there are no more.
class Connection {
 public:
  Connection(DownloadState& state, Pacer& pacer, const SourceAccess& access,
             const std::atomic<bool>* stop, std::uint64_t seed)
      : state_(state),
        pacer_(pacer),
        access_(access),
        stop_(stop),
        transport_(access, stop),
        chance_(seed, "weights.wait") {}

  void run() {
    while (auto piece = state_.take()) fetch(*piece);
  }

 private:
  enum class Went { kOn, kWhole, kChanged, kOver };

  void fetch(Piece piece) {
    int attempt = 0;
    std::int64_t got = 0;
    for (;;) {
      const std::int64_t before = got;
      GetEnd end = ask(piece, got);
      if (state_.stale(piece) || end.outcome == Outcome::kStopped) {
        return give_back(piece, changed_ ? why_changed_ : "");
      }
      if (end.outcome == Outcome::kEmpty) return state_.no_such_range(piece, end.size);
      if (end.outcome == Outcome::kRefused) return refused(piece, end.message);
      const bool open_end = piece.span.to == kMaxFileBytes;
      if (end.outcome == Outcome::kWhole && (open_end || got == piece.span.size())) {
        return settle(piece, got);
      }
      attempt = got > before && !piece.stream ? 1 : attempt + 1;
      if (attempt >= kMaxAttempts) {
        return refused(piece, fmt::format("{} ({} tries)", words(end), attempt));
      }
      pause(end, attempt);
      if (piece.stream) got = 0;
    }
  }

  /// The missing part of the piece, once.
  GetEnd ask(Piece& piece, std::int64_t& got) {
    changed_ = false;
    wait_for(state_.held_until() - net::WorldClock::mono_now(), stop_);
    std::optional<Span> range;
    if (!piece.stream) range = Span{piece.span.from + got, piece.span.to};
    Error broken;
    GetEnd end = transport_.get(
        state_.wanted(piece.file).url, range, piece.etag,
        [&](const GetHead& head) {
          Piece asked = piece;
          if (range) asked.span = *range;
          const Verdict verdict = state_.learned(asked, head);
          changed_ = verdict == Verdict::kChanged;
          if (changed_) return false;
          if (verdict == Verdict::kTakeAll) {
            got = 0;
            piece = asked;
          } else {
            piece.span.to = asked.span.to;
            piece.etag = asked.etag;
          }
          piece.first = false;
          return true;
        },
        [&](std::string_view bytes) { return take(piece, bytes, got, broken); });
    if (!broken.message.empty()) {
      end = {.outcome = Outcome::kRefused, .message = broken.message};
    }
    return end;
  }

  bool take(const Piece& piece, std::string_view bytes, std::int64_t& got, Error& broken) {
    if (state_.stale(piece)) return false;
    const auto size = static_cast<std::int64_t>(bytes.size());
    const std::string& path = state_.wanted(piece.file).path;
    if (got + size > piece.span.size()) {
      broken = {path + ": the server sent more bytes than it said"};
      return false;
    }
    const std::int64_t at = piece.span.from + got;
    if (auto written = write_at(state_.fd(piece.file), bytes, at); !written) {
      broken = written.error().within(path);
      return false;
    }
    got += size;
    state_.came(size);
    wait_for(pacer_.take(net::WorldClock::mono_now(), size) - net::WorldClock::mono_now(), stop_);
    return true;
  }

  void settle(const Piece& piece, std::int64_t got) {
    if (::fdatasync(state_.fd(piece.file)) != 0) {
      return refused(piece, system_error("cannot sync " + state_.wanted(piece.file).path).message);
    }
    state_.finished(piece, got);
  }

  void refused(const Piece& piece, const std::string& why) {
    state_.refused(why);
    state_.finished(piece, 0);
  }

  void give_back(const Piece& piece, const std::string& why) {
    why.empty() ? state_.finished(piece, 0) : state_.changed(piece, why);
  }

  std::string words(const GetEnd& end) const {
    return end.message.empty() ? "the connection ended before the last byte" : end.message;
  }

  void pause(const GetEnd& end, int attempt) {
    Duration wait = wait_before(attempt, access_.first_wait, end.retry_after);
    net::log(net::Level::kWarn, "a range is asked for again",
             {{"error", words(end)}, {"wait", fmt::format("{:.1f} s", to_seconds(wait))}});
    if (end.retry_after.count() >= 0) {
      state_.hold_until(net::WorldClock::mono_now() + wait);  // it meant us all
    } else {
      // Not all at once.
      wait = seconds_f(to_seconds(wait) * (0.5 + 0.5 * chance_.uniform()));
    }
    wait_for(wait, stop_);
  }

  DownloadState& state_;
  Pacer& pacer_;
  const SourceAccess& access_;
  const std::atomic<bool>* stop_;
  Transport transport_;
  Rng chance_;
  bool changed_ = false;
  const std::string why_changed_ = "the source has another version of it than a moment ago";
};

/// git's name of a blob of these bytes.
Result<std::string> git_blob(int fd, std::int64_t size, std::vector<char>& piece) {
  net::Digest sum(net::DigestKind::kSha1);
  sum.update("blob " + std::to_string(size) + std::string(1, '\0'));
  for (std::int64_t at = 0; at < size;) {
    auto got = read_at(fd, piece.data(), piece.size(), at);
    if (!got) return fail(got.error());
    if (*got == 0) return fail("became shorter");
    sum.update({piece.data(), *got});
    at += static_cast<std::int64_t>(*got);
  }
  return sum.hex();
}

void hash(DownloadState& state) {
  std::vector<char> piece(kHashPiece);
  while (auto task = state.take_hash()) {
    const std::string& path = state.wanted(task->file).path;
    const int fd = state.fd(task->file);
    std::string blob;
    for (std::int64_t at = task->span.from; at < task->span.to;) {
      const auto want = std::min<std::int64_t>(kHashPiece, task->span.to - at);
      auto got = read_at(fd, piece.data(), static_cast<std::size_t>(want), at);
      if (!got || *got == 0) {
        state.refused(path + ": " + (got ? "became shorter" : got.error().message));
        break;
      }
      task->sha256->update({piece.data(), *got});
      at += static_cast<std::int64_t>(*got);
    }
    if (task->last && state.wanted(task->file).digest_of == DigestOf::kGitBlob) {
      auto name = git_blob(fd, task->span.to, piece);
      if (!name) state.refused(path + ": " + name.error().message);
      blob = name.value_or("");
    }
    state.hashed(*task, task->last ? task->sha256->hex() : "", blob);
  }
}

/// Opened, and as large as known: the disk says now whether there is room.
Result<std::vector<Fd>> open_files(const std::string& folder, const FileList& list,
                                   const StateLog& log) {
  std::vector<Fd> out;
  for (std::size_t i = 0; i < list.files.size(); ++i) {
    const std::string path = folder + "/" + list.files[i].path;
    if (auto made = make_folders(std::filesystem::path(path).parent_path().string()); !made) {
      return fail(made.error());
    }
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return fail(system_error("cannot create " + path));
    const std::int64_t size = std::max(list.files[i].size, log.files()[i].size);
    if (size > 0) {
      // Not every file system can; there a disk that fills up is seen by the write.
      const bool made = ::fallocate(fd.get(), 0, 0, size) == 0;
      if (!made && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
        return fail(system_error("cannot make room for " + path));
      }
    }
    out.push_back(std::move(fd));
  }
  return out;
}

/// Cut to size, and synced with their folders: what is renamed into place next is whole.
Result<void> close_files(const std::string& folder, const DownloadState& state,
                         const Downloaded& done) {
  std::filesystem::path last;
  for (std::size_t i = 0; i < done.files.size(); ++i) {
    const std::string path = folder + "/" + done.files[i].path;
    if (::ftruncate(state.fd(i), done.files[i].size) != 0 || ::fsync(state.fd(i)) != 0) {
      return fail(system_error("cannot sync " + path));
    }
    const auto parent = std::filesystem::path(path).parent_path();
    if (parent == last) continue;
    last = parent;
    if (auto synced = sync_folder(parent.string()); !synced) return fail(synced.error());
  }
  return {};
}

}  // namespace

Result<Downloaded> download(const std::string& folder, const FileList& list,
                            const SourceAccess& access, const DownloadOptions& options,
                            const std::atomic<bool>* stop,
                            const std::function<void(const Progress&)>& on_progress) {
  auto log = StateLog::open(folder, list);
  if (!log) return fail(log.error());
  auto fds = open_files(folder, list, *log);
  if (!fds) return fail(fds.error());
  DownloadState state(list, options, std::move(*log), std::move(*fds));
  Pacer pacer(options.bytes_per_second);
  std::atomic<bool> ended = false;  // threads hear of the stop, and of an error of another thread
  std::vector<std::thread> threads;
  for (int i = 0; i < options.connections; ++i) {
    threads.emplace_back(
        [&, i] { Connection(state, pacer, access, &ended, static_cast<std::uint64_t>(i)).run(); });
  }
  for (int i = 0; i < options.hashing_threads; ++i) threads.emplace_back([&] { hash(state); });
  while (!state.wait(options.progress_every)) {
    if (stop != nullptr && stop->load()) state.stop();
    if (on_progress) on_progress(state.progress());
  }
  ended = true;
  for (std::thread& thread : threads) thread.join();
  if (on_progress) on_progress(state.progress());
  auto result = state.result();
  if (!result) return result;
  if (auto closed = close_files(folder, state, *result); !closed) return fail(closed.error());
  return result;
}

}  // namespace tidegate::live::weights
