#include "live/net/http1_head.h"

#include <http_parser.h>

#include <array>
#include <cstring>

#include "core/base/ascii.h"

namespace tidegate::net::http1 {
namespace {

/// RFC 9110 tchar.
constexpr std::array<bool, 256> kToken = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();
/// What a field value or a start line may hold: no control characters but tab. obs-text is let
/// through.
constexpr std::array<bool, 256> kText = [] {
  std::array<bool, 256> table{};
  for (int c = 0x20; c <= 0xff; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}();

bool all_of_table(std::string_view text, const std::array<bool, 256>& table) {
  bool ok = true;
  for (char c : text) ok &= table[static_cast<unsigned char>(c)];
  return ok;
}

/// What http_parser's callbacks see. One call covers the whole head, so each slice arrives in one
/// piece.
struct Slices {
  std::string_view url;
  Headers* headers = nullptr;
  std::size_t max_headers = 0;
  bool too_many = false;
  bool complete = false;
  std::string_view name;
};

Slices& slices(http_parser* parser) { return *static_cast<Slices*>(parser->data); }

const http_parser_settings& settings() {
  static const http_parser_settings instance = [] {
    http_parser_set_max_header_size(0x7fffffff);  // Limits::max_head_bytes is checked by the caller
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_url = [](http_parser* p, const char* at, std::size_t n) {
      slices(p).url = {at, n};
      return 0;
    };
    s.on_header_field = [](http_parser* p, const char* at, std::size_t n) {
      slices(p).name = {at, n};
      return 0;
    };
    s.on_header_value = [](http_parser* p, const char* at, std::size_t n) {
      Slices& s = slices(p);
      if (s.headers->all().size() >= s.max_headers) {
        s.too_many = true;
        return 1;
      }
      std::string_view value(at, n);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
        value.remove_suffix(1);
      s.headers->add(std::string(s.name), std::string(value));
      return 0;
    };
    s.on_headers_complete = [](http_parser* p) {
      slices(p).complete = true;
      return 0;
    };
    return s;
  }();
  return instance;
}

/// The framing fields, held to one meaning only. Empty if fine.
std::string read_framing(const Headers& headers, bool http10, Framing& framing) {
  framing.http10 = http10;
  framing.keep_alive = !http10;
  int lengths = 0;
  int encodings = 0;
  for (const auto& [name, value] : headers.all()) {
    if (ascii::equal_ignoring_case(name, "content-length")) {
      if (++lengths > 1) return "more than one Content-Length";
      if (value.empty() || value.size() > 18 ||
          value.find_first_not_of("0123456789") != std::string::npos) {
        return "Content-Length is not a number";
      }
      framing.content_length = std::stoull(value);
    } else if (ascii::equal_ignoring_case(name, "transfer-encoding")) {
      if (++encodings > 1) return "more than one Transfer-Encoding";
      if (!ascii::equal_ignoring_case(value, "chunked"))
        return "only Transfer-Encoding: chunked is known";
      framing.chunked = true;
    } else if (ascii::equal_ignoring_case(name, "connection")) {
      if (list_has(value, "close")) framing.keep_alive = false;
      if (http10 && list_has(value, "keep-alive")) framing.keep_alive = true;
    } else if (ascii::equal_ignoring_case(name, "expect")) {
      framing.expects_continue = !http10 && ascii::equal_ignoring_case(value, "100-continue");
    }
  }
  if (framing.chunked && framing.content_length) return "Content-Length with Transfer-Encoding";
  if (framing.chunked && http10) return "Transfer-Encoding in HTTP/1.0";
  return {};
}

/// "METHOD SP target SP HTTP/1.x": exactly two blanks.
Refusal check_request_line(std::string_view line, Request& request) {
  auto first = line.find(' ');
  auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || first == 0 || second == first + 1 ||
      line.find(' ', second + 1) != std::string_view::npos ||
      line.find('\t') != std::string_view::npos) {
    return {400, "the request line is not METHOD TARGET VERSION"};
  }
  std::string_view version = line.substr(second + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return {version.starts_with("HTTP/") ? 505 : 400, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  if (request.method == "CONNECT") return {501, "CONNECT is not supported"};
  return {};
}

/// Splits origin-form and absolute-form targets into path and query.
Refusal split_target(Request& request) {
  std::string_view target = request.target;
  if (target.front() != '/' && target != "*") {
    auto scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return {400, "the target must start with /"};
    auto slash = target.find_first_of("/?", scheme_end + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  auto question = target.find('?');
  request.path = target.substr(0, question);
  if (request.path.empty()) request.path = "/";
  request.query =
      question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  return {};
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view buffer) {
  while (at_ < buffer.size()) {
    const void* found = std::memchr(buffer.data() + at_, '\n', buffer.size() - at_);
    if (found == nullptr) {
      at_ = buffer.size();
      return State::kMore;
    }
    auto lf = static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data());
    if (lf == 0 || buffer[lf - 1] != '\r')
      return State::kBad;  // bare LF: waiting would be for ever
    at_ = lf + 1;
    if (lf - 1 == line_start_) return State::kComplete;
    line_start_ = at_;
  }
  return State::kMore;
}

std::string_view strict_head(std::string_view head) {
  bool start_line = true;
  while (!head.empty()) {
    auto end = head.find("\r\n");
    if (end == std::string_view::npos) return "a line without CRLF";
    std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (!all_of_table(line, kText)) return "a control character, bare CR or bare LF in the head";
    if (line.empty()) return head.empty() ? std::string_view() : "bytes after the end of the head";
    if (start_line) {
      start_line = false;
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') return "a folded header line";
    auto colon = line.find(':');
    if (colon == std::string_view::npos) return "a header line without a colon";
    if (colon == 0) return "a header without a name";
    if (!all_of_table(line.substr(0, colon), kToken)) {
      return "a blank or other forbidden character in a header name";
    }
  }
  return "no empty line at the end of the head";
}

Refusal parse_request(std::string_view head, const Limits& limits, Request& request,
                      Framing& framing) {
  if (auto why = strict_head(head); !why.empty()) return {400, std::string(why)};
  if (auto bad = check_request_line(head.substr(0, head.find('\r')), request); bad.status != 0) {
    return bad;
  }
  Slices seen;
  seen.headers = &request.headers;
  seen.max_headers = limits.max_headers;
  http_parser parser;
  http_parser_init(&parser, HTTP_REQUEST);
  parser.data = &seen;
  http_parser_execute(&parser, &settings(), head.data(), head.size());
  if (seen.too_many) {
    return {431, "more than " + std::to_string(limits.max_headers) + " headers"};
  }
  auto error = static_cast<http_errno>(parser.http_errno);
  if (auto why = read_framing(request.headers, parser.http_minor == 0, framing); !why.empty()) {
    return {400, std::move(why)};
  }
  if (!seen.complete || seen.url != request.target) {
    return {400, std::string("not an HTTP request: ") + http_errno_description(error)};
  }
  int hosts = 0;
  for (const auto& [name, value] : request.headers.all()) {
    if (!ascii::equal_ignoring_case(name, "host")) continue;
    if (++hosts > 1) return {400, "more than one Host"};
    if (value.find_first_of(" \t,/@") != std::string::npos) return {400, "Host is not host:port"};
  }
  if (hosts == 0 && !framing.http10) return {400, "no Host"};
  std::string_view expect = request.headers.get("expect");
  if (!framing.http10 && !expect.empty() && !framing.expects_continue) {
    return {417, "only Expect: 100-continue is known"};
  }
  return split_target(request);
}

std::string parse_response(std::string_view head, std::size_t max_headers, ResponseHead& response) {
  if (auto why = strict_head(head); !why.empty()) return std::string(why);
  Slices seen;
  seen.headers = &response.headers;
  seen.max_headers = max_headers;
  http_parser parser;
  http_parser_init(&parser, HTTP_RESPONSE);
  parser.data = &seen;
  http_parser_execute(&parser, &settings(), head.data(), head.size());
  if (seen.too_many) return "more than " + std::to_string(max_headers) + " headers";
  if (auto why = read_framing(response.headers, parser.http_major == 1 && parser.http_minor == 0,
                              response.framing);
      !why.empty()) {
    return why;
  }
  if (!seen.complete || parser.http_major != 1) {
    return std::string("not an HTTP/1 response: ") +
           http_errno_description(static_cast<http_errno>(parser.http_errno));
  }
  response.status = static_cast<int>(parser.status_code);
  if (response.status < 100) return "status " + std::to_string(response.status);
  return {};
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (name.empty() || !all_of_table(name, kToken) || !all_of_table(value, kText)) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

bool list_has(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    auto comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (ascii::equal_ignoring_case(item, token)) return true;
  }
  return false;
}

}  // namespace tidegate::net::http1
