#pragma once
// LockFile: one process at a time. An flock on a file that holds the pid of the owner; the kernel
// lets go when the owner dies, however it dies.
//
//   auto lock = LockFile::take("journal.db.lock");   // error: "... is in use by process 4711"
//
// Close-on-exec, so engines that outlive us do not keep it. Thread-safety: values, one owner.

#include <string>

#include "core/base/result.h"

namespace tidegate::live {

class LockFile {
 public:
  static Result<LockFile> take(const std::string& path);
  LockFile(LockFile&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace tidegate::live
