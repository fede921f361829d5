#include "sim/report/out_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tidegate::sim {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kBufferBytes = 64 << 10;

tl::unexpected<Error> cannot_write(const std::string& path, const std::string& why) {
  return fail("cannot write " + path + ": " + why);
}

}  // namespace

Result<std::unique_ptr<OutFile>> OutFile::create(const std::string& path) {
  std::unique_ptr<OutFile> out(new OutFile);
  std::error_code error;
  out->asked_ = path;
  // A link stays a link: its target is what gets replaced.
  out->target_ = fs::weakly_canonical(fs::absolute(path, error), error).string();
  if (path.empty() || error || out->target_.empty()) {
    return cannot_write(path, path.empty() ? "no name given" : error.message());
  }
  fs::file_status there = fs::status(out->target_, error);
  if (fs::is_directory(there)) return cannot_write(path, "is a directory");
  if (fs::exists(there) && !fs::is_regular_file(there)) {
    out->file_ = std::fopen(path.c_str(), "wb");
  } else {
    out->part_ = out->target_ + ".part";
    out->file_ = std::fopen(out->part_.c_str(), "wb");
  }
  if (out->file_ == nullptr) {
    int why = errno;
    out->part_.clear();  // not ours to remove
    return cannot_write(path, std::strerror(why));
  }
  std::setvbuf(out->file_, nullptr, _IONBF, 0);
  out->buffer_.reserve(kBufferBytes);
  return out;
}

OutFile::~OutFile() {
  if (file_ != nullptr) std::fclose(file_);
  std::error_code ignored;
  if (!part_.empty()) fs::remove(part_, ignored);
}

void OutFile::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  buffer_ += bytes;
}

void OutFile::flush() {
  if (error_ == 0 && std::fwrite(buffer_.data(), 1, buffer_.size(), file_) != buffer_.size()) {
    error_ = errno;
  }
  buffer_.clear();
}

Result<void> OutFile::commit() {
  flush();
  std::FILE* closing = std::exchange(file_, nullptr);
  if (std::fclose(closing) != 0 && error_ == 0) error_ = errno;
  if (error_ != 0) return cannot_write(asked_, std::strerror(error_));
  if (part_.empty()) return {};
  std::error_code error;
  fs::rename(part_, target_, error);
  if (error) return cannot_write(asked_, error.message());
  part_.clear();
  return {};
}

}  // namespace tidegate::sim
