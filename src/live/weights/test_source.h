#pragma once
// For tests: a server of files on a thread of its own, which knows ranges, ETags and redirects, and
// breaks as a test says. And a folder that goes with the test.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/base/rng.h"
#include "live/net/http_server.h"
#include "live/net/tls/digest.h"
#include "live/weights/file_list.h"

namespace tidegate::live::weights {

inline std::string sha256_of(const std::string& bytes) {
  net::Digest sum(net::DigestKind::kSha256);
  sum.update(bytes);
  return sum.hex();
}

inline std::string some_bytes(std::size_t size, std::uint64_t seed) {
  Rng chance(seed, "bytes");
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(chance.below(256));
  return out;
}

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tidegate-weights-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
};

class TestSource {
 public:
  struct Ask {
    std::string path, query, range, if_range, authorization;
  };
  struct File {
    std::string bytes;
    std::string etag;  ///< without quotes; empty: none is sent
    bool ranges = true;
  };
  /// Answers instead of the server; false: the server answers. On the server's thread.
  using Fault = std::function<bool(const Ask&, net::Exchange&)>;

  TestSource() : loop_(net::Loop::create().value()) {
    server_ = std::make_unique<net::HttpServer>(
        *loop_, net::Limits{}, [this](net::ExchangePtr x) { handle(std::move(x)); });
    address_ = server_->listen({"127.0.0.1", 0}).value();
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~TestSource() {
    loop_->post([this] { loop_->stop(); });
    thread_.join();
  }
  TestSource(const TestSource&) = delete;
  TestSource& operator=(const TestSource&) = delete;

  std::string url(const std::string& path) const { return "http://" + address_.text() + path; }
  void put(const std::string& path, File file) {
    std::lock_guard lock(mutex_);
    files_[path] = std::move(file);
  }
  void on_ask(Fault fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
  }
  std::vector<Ask> asks() const {
    std::lock_guard lock(mutex_);
    return asks_;
  }
  std::int64_t sent() const { return sent_; }

  /// First `size` bytes of what would be sent, then the connection breaks.
  static void cut(net::Exchange& x, int status, const net::Headers& headers,
                  std::string_view bytes) {
    x.start(status, headers);
    x.write(bytes);
    x.abort();
  }

 private:
  void handle(net::ExchangePtr x) {
    const net::Request& r = x->request();
    const Ask ask{r.path, r.query, std::string(r.headers.get("range")),
                  std::string(r.headers.get("if-range")),
                  std::string(r.headers.get("authorization"))};
    Fault fault;
    File file;
    bool known = false;
    {
      std::lock_guard lock(mutex_);
      asks_.push_back(ask);
      fault = fault_;
      if (auto it = files_.find(r.path); it != files_.end()) {
        file = it->second;
        known = true;
      }
    }
    if (fault && fault(ask, *x)) return;
    if (!known) return x->respond(404, {}, "no such file");
    answer(*x, ask, file);
  }

  void answer(net::Exchange& x, const Ask& ask, const File& file) {
    net::Headers headers;
    if (!file.etag.empty()) headers.add("ETag", '"' + file.etag + '"');
    const bool other = !ask.if_range.empty() && ask.if_range != '"' + file.etag + '"';
    if (ask.range.empty() || !file.ranges || other) {
      sent_ += static_cast<std::int64_t>(file.bytes.size());
      return x.respond(200, headers, file.bytes);
    }
    const std::size_t from = std::stoull(ask.range.substr(6));
    const std::size_t to = std::min<std::size_t>(
        std::stoull(ask.range.substr(ask.range.find('-') + 1)) + 1, file.bytes.size());
    if (from >= file.bytes.size()) {
      headers.add("Content-Range", "bytes */" + std::to_string(file.bytes.size()));
      return x.respond(416, headers, "");
    }
    headers.add("Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(to - 1) +
                                     "/" + std::to_string(file.bytes.size()));
    sent_ += static_cast<std::int64_t>(to - from);
    x.respond(206, headers, std::string_view(file.bytes).substr(from, to - from));
  }

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::HttpServer> server_;
  net::Address address_;
  mutable std::mutex mutex_;
  std::map<std::string, File> files_;
  Fault fault_;
  std::vector<Ask> asks_;
  std::atomic<std::int64_t> sent_ = 0;
  std::thread thread_;
};

}  // namespace tidegate::live::weights
