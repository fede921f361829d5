#include "live/weights/state_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "live/weights/disk.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

using nlohmann::json;

/// What the bytes are known by: two that have the same are the same.
std::string digest_text(const WantedFile& file) {
  if (file.digest_of == DigestOf::kNone) return "of " + public_text(file.url);
  return (file.digest_of == DigestOf::kGitBlob ? "git:" : "") + file.digest;
}

std::string begins_line(std::size_t index, const WantedFile& wanted, std::int64_t size,
                        const std::string& etag) {
  const json line = {{"file", index},
                     {"path", wanted.path},
                     {"size", size},
                     {"etag", etag},
                     {"digest", digest_text(wanted)}};
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string done_line(std::size_t index, Span span) {
  return json{{"done", index}, {"from", span.from}, {"to", span.to}}.dump() + "\n";
}

std::string done_lines(std::size_t index, std::int64_t size, const Intervals& done) {
  std::string text;
  for (std::int64_t from = 0; from < size;) {
    auto gap = done.gap({from, size}, size);
    const std::int64_t end = gap ? gap->from : size;  // between gaps lies what is done
    if (end > from) text += done_line(index, {from, end});
    from = gap ? gap->to : size;
  }
  return text;
}

/// What an older log says of the files of `list`; anything odd in it counts for nothing.
class Reader {
 public:
  explicit Reader(const FileList& list) : list_(list), files_(list.files.size()) {
    for (std::size_t i = 0; i < list.files.size(); ++i) by_path_[list.files[i].path] = i;
  }
  void line(std::string_view text) {
    const json value = json::parse(text, nullptr, false);
    if (!value.is_object()) return;
    try {
      if (value.contains("done")) {
        range(value);
      } else if (value.contains("file")) {
        begins(value);
      }
    } catch (const json::exception&) {  // of another shape
    }
  }
  std::vector<StateLog::File> take() { return std::move(files_); }

 private:
  void begins(const json& value) {
    const auto index = value.at("file").get<std::size_t>();
    now_.erase(index);
    auto known = by_path_.find(value.at("path").get<std::string>());
    if (known == by_path_.end()) return;
    const WantedFile& wanted = list_.files[known->second];
    StateLog::File& file = files_[known->second];
    file = {};
    const auto size = value.at("size").get<std::int64_t>();
    if (value.at("digest").get<std::string>() != digest_text(wanted)) return;
    if (size < 0 || (wanted.size >= 0 && wanted.size != size)) return;
    file.size = size;
    file.etag = value.at("etag").get<std::string>();
    now_[index] = known->second;
  }
  void range(const json& value) {
    auto which = now_.find(value.at("done").get<std::size_t>());
    if (which == now_.end()) return;
    StateLog::File& file = files_[which->second];
    const Span span{value.at("from").get<std::int64_t>(), value.at("to").get<std::int64_t>()};
    if (span.from >= 0 && span.from < span.to && span.to <= file.size) file.done.add(span);
  }

  const FileList& list_;
  std::vector<StateLog::File> files_;
  std::map<std::string, std::size_t> by_path_;
  std::map<std::size_t, std::size_t> now_;  ///< the log's number -> the list's
};

std::vector<StateLog::File> read_log(const std::string& path, const FileList& list) {
  Reader reader(list);
  auto text = read_small_file(path, kMaxStateBytes);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    reader.line(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return reader.take();
}

}  // namespace

Result<StateLog> StateLog::open(const std::string& folder, const FileList& list) {
  const std::string path = folder + "/" + kStateFile;
  std::vector<File> files = read_log(path, list);
  std::string text;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].size < 0) continue;
    text += begins_line(i, list.files[i], files[i].size, files[i].etag);
    text += done_lines(i, files[i].size, files[i].done);
  }
  if (auto written = write_whole(path, text); !written) return fail(written.error());
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return fail(system_error("cannot open " + path));
  StateLog log(fd);
  log.wanted_ = list.files;
  log.files_ = std::move(files);
  return log;
}

StateLog::StateLog(StateLog&& other) noexcept
    : fd_(other.fd_), wanted_(std::move(other.wanted_)), files_(std::move(other.files_)) {
  other.fd_ = -1;
}

StateLog::~StateLog() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> StateLog::append(const std::string& line) {
  if (auto written = write_all(fd_, line); !written) return fail(written.error());
  if (::fdatasync(fd_) != 0) return fail(system_error("cannot sync the state file"));
  return {};
}

Result<void> StateLog::begins(std::size_t file, std::int64_t size, const std::string& etag,
                              const Intervals& done) {
  return append(begins_line(file, wanted_[file], size, etag) + done_lines(file, size, done));
}

Result<void> StateLog::done(std::size_t file, Span span) { return append(done_line(file, span)); }

}  // namespace tidegate::live::weights
