#pragma once
// The few things done to files here, with errors that say which and why.
//
//   if (auto done = write_whole(path, text); !done) return fail(done.error());
//
// Thread-safety: functions of the system.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace tidegate::live::weights {

/// A descriptor that is closed with its owner.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// "WHAT: No space left on device", with the fix where there is one.
Error system_error(const std::string& what);
Result<void> write_all(int fd, std::string_view bytes);
Result<void> write_at(int fd, std::string_view bytes, std::int64_t offset);
/// Fewer than asked only at the end of the file.
Result<std::size_t> read_at(int fd, char* to, std::size_t size, std::int64_t offset);
/// Whole and synced under its name, or not there.
Result<void> write_whole(const std::string& path, std::string_view text);
Result<std::string> read_small_file(const std::string& path, std::size_t most);
Result<void> make_folders(const std::string& path);
/// So that renames and new names in it outlive a loss of power.
Result<void> sync_folder(const std::string& path);
/// Follows no links; what cannot be removed is named.
Result<void> remove_tree(const std::string& path);
Result<std::int64_t> free_bytes(const std::string& path);

}  // namespace tidegate::live::weights
