#include "live/actuate/process/logs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

namespace tidegate::live {
namespace {

/// Names of models may hold slashes; those of files may not.
std::string as_file_name(std::string text) {
  for (char& c : text) {
    if (c == '/' || c == '\0') c = '_';
  }
  return text;
}

}  // namespace

EngineLogs::EngineLogs(std::string directory, std::string prefix)
    : directory_(std::move(directory)), prefix_(as_file_name(std::move(prefix)) + "-") {}

Result<std::string> EngineLogs::path(ReplicaId id) const {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return fail("cannot make log directory " + directory_ + ": " + error.message());
  return name_of(id);
}

std::string EngineLogs::beginning(ReplicaId id, std::size_t max_bytes) const {
  std::ifstream file(name_of(id), std::ios::binary);
  std::string text(max_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(max_bytes));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return text;
}

std::string EngineLogs::last_line(ReplicaId id) const {
  constexpr std::streamoff kTail = 4096;
  std::ifstream file(name_of(id), std::ios::binary | std::ios::ate);
  if (!file) return {};
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - kTail));
  std::string last;
  for (std::string line; std::getline(file, line);) {
    std::erase_if(line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
    if (line.find_first_not_of(' ') != line.npos) last = std::move(line);
  }
  if (last.size() > kMaxLine) last.resize(kMaxLine);
  return last;
}

std::string EngineLogs::name_of(ReplicaId id) const {
  return directory_ + "/" + prefix_ + std::to_string(id.value()) + ".log";
}

void EngineLogs::trim(const std::set<ReplicaId>& live, std::uintmax_t max_bytes) const {
  std::error_code error;
  std::map<std::uint64_t, std::filesystem::path> files;  // by replica id: ids only grow
  std::filesystem::directory_iterator at(directory_, error), end;
  for (; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename();
    if (name.rfind(prefix_, 0) != 0) continue;
    std::uint64_t id = 0;
    const char* last = name.data() + name.size();
    auto [stop, bad] = std::from_chars(name.data() + prefix_.size(), last, id);
    if (bad == std::errc() &&
        std::string_view(stop, static_cast<std::size_t>(last - stop)) == ".log") {
      files[id] = at->path();
    }
  }
  std::size_t count = files.size();
  for (const auto& [id, path] : files) {
    std::error_code ignored;
    if (count > kMaxFiles && !live.contains(ReplicaId(id))) {
      std::filesystem::remove(path, ignored);
      --count;
    } else if (std::filesystem::file_size(path, ignored) > max_bytes && !ignored) {
      std::filesystem::resize_file(path, 0, ignored);
    }
  }
}

}  // namespace tidegate::live
