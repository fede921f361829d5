#pragma once
// Heads of HTTP/1.1 messages (RFC 9112): found in a buffer, checked strictly, then parsed by
// http_parser.
//
// http_parser as Debian builds it is lenient (it takes "A : b", folded lines and bare LF), and two
// parsers that disagree about one byte are how requests are smuggled. So a head must first pass
// strict_head(); what it lets through, every parser reads alike. Bodies in chunks: http1_chunks.h.
// Internal to live/net. Pure functions of their arguments.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "live/net/http.h"

namespace tidegate::net::http1 {

/// Finds the end of a head in bytes that arrive bit by bit.
class HeadScanner {
 public:
  enum class State : std::uint8_t { kMore, kComplete, kBad };
  /// `buffer` starts at the head's first byte and holds at least what it held at the last call.
  State scan(std::string_view buffer);
  /// After kComplete: length of the head including its empty line.
  std::size_t length() const { return at_; }
  void reset() { *this = {}; }

 private:
  std::size_t at_ = 0;          // scanned up to here
  std::size_t line_start_ = 0;  // of the line being scanned
};

/// Every line ends in CRLF; no other CR, LF, NUL or control character; no folded lines; field names
/// are tokens directly followed by a colon. The reason, or empty if the head is fine.
std::string_view strict_head(std::string_view head);

/// How the bytes after a head are delimited, and what happens to the connection.
struct Framing {
  bool chunked = false;
  std::optional<std::uint64_t> content_length;
  bool keep_alive = true;
  bool http10 = false;
  bool expects_continue = false;
};

/// Why a head is refused: the status to answer and the sentence for its body. status 0: it is fine.
struct Refusal {
  int status = 0;
  std::string message;
};

/// `head` includes its empty line. Fills method, target, path, query, headers of `request`.
Refusal parse_request(std::string_view head, const Limits& limits, Request& request,
                      Framing& framing);

struct ResponseHead {
  int status = 0;
  Headers headers;
  Framing framing;
};
/// Empty if fine, else why not.
std::string parse_response(std::string_view head, std::size_t max_headers, ResponseHead& response);

/// Appends "name: value\r\n"; a field that would break the head (CR, LF, NUL, bad name) is left
/// out.
void append_field(std::string& out, std::string_view name, std::string_view value);
/// A comma-separated list of tokens holds `token`, ignoring case.
bool list_has(std::string_view list, std::string_view token);

}  // namespace tidegate::net::http1
