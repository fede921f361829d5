#include "live/weights/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

namespace tidegate::live::weights {

namespace fs = std::filesystem;

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Error system_error(const std::string& what) {
  const int error = errno;
  const char* fix = "";
  if (error == ENOSPC || error == EDQUOT) fix = "; free some, or fetch to a larger disk with --to";
  if (error == EACCES || error == EPERM) fix = "; this user may not";
  if (error == EROFS) fix = "; mount it writable";
  return {what + ": " + strerror(error) + fix};
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error("cannot write"));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_at(int fd, std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error("cannot write"));
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += n;
  }
  return {};
}

Result<std::size_t> read_at(int fd, char* to, std::size_t size, std::int64_t offset) {
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::pread(fd, to + got, size - got, offset + static_cast<std::int64_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error("cannot read"));
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  return got;
}

Result<void> write_whole(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail(system_error("cannot create " + fresh));
  if (auto written = write_all(fd.get(), text); !written)
    return fail(written.error().within(fresh));
  if (::fsync(fd.get()) != 0) return fail(system_error("cannot sync " + fresh));
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return fail(system_error("cannot rename to " + path));
  return sync_folder(fs::path(path).parent_path().string());
}

Result<std::string> read_small_file(const std::string& path, std::size_t most) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(system_error("cannot open " + path));
  struct stat seen {};
  if (::fstat(fd.get(), &seen) != 0) return fail(system_error("cannot read " + path));
  if (!S_ISREG(seen.st_mode)) return fail(path + " is no file");
  if (static_cast<std::size_t>(seen.st_size) > most) {
    return fail(path + ": over " + std::to_string(most) + " bytes");
  }
  std::string out(static_cast<std::size_t>(seen.st_size), '\0');
  auto got = read_at(fd.get(), out.data(), out.size(), 0);
  if (!got) return fail(got.error().within(path));
  out.resize(*got);
  return out;
}

Result<void> make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    errno = error.value();
    return fail(system_error("cannot make the folder " + path));
  }
  return {};
}

Result<void> sync_folder(const std::string& path) {
  Fd fd(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail(system_error("cannot sync " + path));
  return {};
}

Result<void> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) {
    errno = error.value();
    return fail(system_error("cannot remove " + path));
  }
  return {};
}

Result<std::int64_t> free_bytes(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return fail(system_error("cannot look at " + path));
  return static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
}

}  // namespace tidegate::live::weights
