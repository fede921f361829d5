#include "live/weights/record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "live/net/tls/digest.h"
#include "live/weights/disk.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

using nlohmann::json;

constexpr std::size_t kPiece = 1 << 20;

/// Empty: it is as recorded.
std::string fault_of(const std::string& path, const FetchedFile& file, std::vector<char>& piece) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat seen {};
  if (!fd || ::fstat(fd.get(), &seen) != 0) return system_error("cannot be opened").message;
  if (!S_ISREG(seen.st_mode)) return "is no file";
  if (seen.st_size != file.size) {
    return fmt::format("has {} bytes, {} were fetched", seen.st_size, file.size);
  }
  net::Digest sum(net::DigestKind::kSha256);
  for (std::int64_t at = 0; at < file.size;) {
    auto got = read_at(fd.get(), piece.data(), piece.size(), at);
    if (!got) return got.error().message;
    if (*got == 0) return "became shorter";
    sum.update({piece.data(), *got});
    at += static_cast<std::int64_t>(*got);
  }
  const std::string seen_sum = sum.hex();
  if (seen_sum == file.sha256) return "";
  return fmt::format("its SHA-256 is {}, {} was fetched: the disk has other bytes", seen_sum,
                     file.sha256);
}

}  // namespace

std::string to_text(const Record& record) {
  json files = json::array();
  for (const FetchedFile& file : record.files) {
    files.push_back({{"path", file.path},
                     {"size", file.size},
                     {"sha256", file.sha256},
                     {"published", file.published}});
  }
  const json out = {{"schemaVersion", 1},        {"name", record.name},
                    {"source", record.source},   {"revision", record.revision},
                    {"bytes", record.bytes},     {"fetchedAt", record.fetched_at},
                    {"seconds", record.seconds}, {"transferredBytes", record.transferred},
                    {"resumed", record.resumed}, {"files", std::move(files)}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<Record> parse_record(const std::string& text) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return fail("is no JSON object");
  try {
    Record out;
    out.name = in.at("name");
    out.source = in.at("source");
    out.revision = in.at("revision");
    out.bytes = in.at("bytes");
    out.fetched_at = in.at("fetchedAt");
    out.seconds = in.at("seconds");
    out.transferred = in.at("transferredBytes");
    out.resumed = in.at("resumed");
    for (const json& file : in.at("files")) {
      out.files.push_back(
          {file.at("path"), file.at("size"), file.at("sha256"), file.at("published")});
      if (auto good = check_path(out.files.back().path); !good) return fail(good.error());
    }
    return out;
  } catch (const json::exception& error) {
    return fail(error.what());
  }
}

Result<Record> read_record(const std::string& folder) {
  const std::string path = folder + "/" + kRecordFile;
  auto text = read_small_file(path, kMaxManifestBytes);
  if (!text) return fail(text.error());
  auto record = parse_record(*text);
  if (!record) return fail(record.error().within(path));
  return record;
}

std::vector<Fault> verify(const std::string& folder, const Record& record, int threads) {
  std::vector<Fault> faults;
  std::mutex mutex;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    std::vector<char> piece(kPiece);
    for (std::size_t i = next++; i < record.files.size(); i = next++) {
      const FetchedFile& file = record.files[i];
      std::string what = fault_of(folder + "/" + file.path, file, piece);
      if (what.empty()) continue;
      std::lock_guard lock(mutex);
      faults.push_back({file.path, std::move(what)});
    }
  };
  std::vector<std::thread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  std::sort(faults.begin(), faults.end(),
            [](const Fault& a, const Fault& b) { return a.path < b.path; });
  return faults;
}

}  // namespace tidegate::live::weights
