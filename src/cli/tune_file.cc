#include "cli/tune_file.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace tidegate::cli {
namespace {

constexpr std::size_t kBlock = 1 << 20;

}  // namespace

Result<std::uint64_t> hash_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  XXH3_state_t* state = XXH3_createState();
  XXH3_64bits_reset(state);
  std::vector<char> block(kBlock);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    XXH3_64bits_update(state, block.data(), static_cast<std::size_t>(in.gcount()));
  }
  std::uint64_t hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  if (!in.eof()) return fail(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return hash;
}

std::uint64_t hash_of_text(const std::string& text) {
  return XXH3_64bits(text.data(), text.size());
}

std::uint64_t hash_of(const workload::TraceRequest& r, std::uint64_t before) {
  const std::int64_t numbers[] = {r.at.count(), r.prompt.value(), r.output.value(), r.priority,
                                  r.prefix_block_tokens};
  std::uint64_t hash = XXH3_64bits_withSeed(numbers, sizeof numbers, before);
  for (const std::string* text : {&r.model, &r.tenant, &r.adapter}) {
    if (!text->empty()) hash = XXH3_64bits_withSeed(text->data(), text->size(), hash);
  }
  if (r.prefix.empty()) return hash;
  return XXH3_64bits_withSeed(r.prefix.data(), r.prefix.size() * sizeof r.prefix[0], hash);
}

TuneFile::TuneFile(TuneFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

TuneFile::~TuneFile() {
  if (file_ >= 0) ::close(file_);
}

Result<TuneFile> TuneFile::open(const std::string& path, sim::TuneLog& log) {
  TuneFile out;
  out.path_ = path;
  if (path.empty()) return out;
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return fail(fmt::format("--state {}: is no regular file; name one to keep runs in", path));
  }
  out.file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (out.file_ < 0) return fail(fmt::format("--state {}: {}", path, std::strerror(errno)));
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  log.read(text.str());
  // A kill may leave half a line, even as the only one.
  if (log.unreadable() > 0 && log.unreadable() == log.lines() && !text.str().starts_with('{')) {
    return fail(
        fmt::format("--state {}: is no state of `tidegate tune`: none of its {} lines is a "
                    "run; name another file",
                    path, log.lines()));
  }
  bool torn = !text.str().empty() && text.str().back() != '\n';
  if (torn) {
    if (auto ended = out.append("\n"); !ended) return fail(ended.error());
  }
  return out;
}

Result<void> TuneFile::append(const std::string& line) {
  if (file_ < 0) return {};
  auto written = ::write(file_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return {};
  return fail(fmt::format("--state {}: {}", path_,
                          written < 0 ? std::strerror(errno) : "the disk is full"));
}

}  // namespace tidegate::cli
