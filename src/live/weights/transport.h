#pragma once
// Transport: bytes of one URL, http, https or file, from one thread; and what its refusals mean.
//
//   Transport transport(access, &stop);
//   GetEnd end = transport.get(url, {.from = 64, .to = 128}, "\"etag\"", on_head, on_data);
//   if (end.outcome == Outcome::kRefused) return fail(end.message);
//
// A token goes to the host it is for and no other. Messages name the URL without its query, and the
// fix. file: answers as a server with ranges would. Thread-safety: one thread.

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "live/net/curl/curl_transfer.h"
#include "live/weights/intervals.h"

namespace tidegate::live::weights {

/// How to reach sources; shared by all threads, not changed while they run.
struct SourceAccess {
  std::string endpoint = "https://huggingface.co";  ///< of hf://, no slash at its end
  std::string token;                                ///< for `endpoint` alone; empty: none
  std::shared_ptr<const net::Tls> tls;              ///< null: the system's authorities
  Duration stall_timeout = seconds(60);
  Duration first_wait = millis(500);  ///< before a second try; then it doubles
};

/// What a 200 or 206 says.
struct GetHead {
  bool partial = false;    ///< 206: of the range asked for
  std::int64_t from = 0;   ///< where its body begins
  std::int64_t size = -1;  ///< of the whole; -1: it did not say
  std::string etag;        ///< else Last-Modified; empty: neither
  std::string link;        ///< the Link header
};

enum class Outcome : std::uint8_t {
  kWhole,    ///< all that was asked for came
  kStopped,  ///< by a handler, or from outside
  kAgain,    ///< cut, slow, 408, 429, 5xx: worth another try
  kRefused,  ///< another try would say the same
  kEmpty,    ///< 416: no such range; `size` where the server told it
};
struct GetEnd {
  Outcome outcome = Outcome::kWhole;
  std::string message;       ///< kAgain, kRefused
  Duration retry_after{-1};  ///< as the server asked
  std::int64_t size = -1;    ///< kEmpty
};

/// What an HTTP status that is no success means for who asked, and what to do.
std::string status_words(int status, const std::string& url, std::string_view body, bool token);

inline constexpr int kMaxAttempts = 8;  ///< in a row without a byte
/// `first`, doubling, at most 30 s; or what the server asked, at most two minutes.
Duration wait_before(int attempt, Duration first, Duration retry_after);
/// Blocks the thread; ends soon after `stop`.
void wait_for(Duration wall, const std::atomic<bool>* stop);

class Transport {
 public:
  using OnHead = std::function<bool(const GetHead&)>;
  using OnData = std::function<bool(std::string_view)>;
  Transport(const SourceAccess& access, const std::atomic<bool>* stop)
      : access_(access), stop_(stop) {}

  /// `range` nothing: the whole. `if_range`: an ETag; if it is another by now, the whole comes.
  GetEnd get(const std::string& url, std::optional<Span> range, const std::string& if_range,
             const OnHead& on_head, const OnData& on_data);

  /// A page in memory, tried a few times. `links`: its Link header.
  struct Page {
    std::string body, link;
  };
  Result<Page> page(const std::string& url, std::size_t most);
  /// Before the next try.
  void pause(int attempt, Duration retry_after) const {
    wait_for(wait_before(attempt, access_.first_wait, retry_after), stop_);
  }

 private:
  GetEnd get_file(const std::string& url, std::optional<Span> range, const OnHead& on_head,
                  const OnData& on_data);
  const SourceAccess& access_;
  const std::atomic<bool>* stop_;
  net::CurlTransfer curl_;
};

}  // namespace tidegate::live::weights
