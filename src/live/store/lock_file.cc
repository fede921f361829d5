#include "live/store/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tidegate::live {

Result<LockFile> LockFile::take(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail("lock file " + path + ": " + std::strerror(errno));
  LockFile lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail("lock file " + path + ": " + std::strerror(errno));
    char pid[32] = {};
    ssize_t got = ::pread(fd, pid, sizeof(pid) - 1, 0);
    return fail("in use by process " + std::string(got > 0 ? pid : "(unknown)") +
                "; stop it first, or use another state directory");
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail("lock file " + path + ": " + std::strerror(errno));
  }
  return lock;
}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tidegate::live
