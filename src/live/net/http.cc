#include "live/net/http.h"

#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"
#include "live/net/percent.h"

namespace tidegate::net {
namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 65535) {
    return fail("port \"" + std::string(text) + "\" is not a number from 0 to 65535");
  }
  return static_cast<std::uint16_t>(value);
}

bool valid_host(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return ascii::is_alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
  });
}

/// Of a query, where a blank may be written as "+".
std::string query_decode(std::string_view text) {
  std::string blanks(text);
  std::replace(blanks.begin(), blanks.end(), '+', ' ');
  return percent_decode(blanks);
}

}  // namespace

std::string Address::text() const {
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_address(std::string_view text, std::string_view default_host) {
  auto refuse = [&](std::string_view why) {
    return fail("address \"" + std::string(text) + "\": " + std::string(why) +
                "; write PORT, :PORT, HOST:PORT or [IPV6]:PORT");
  };
  std::string_view host;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    auto close = text.find("]:");
    if (close == std::string_view::npos) return refuse("no \"]:\" after the IPv6 address");
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else if (auto colon = text.rfind(':'); colon == std::string_view::npos) {
    port = text;
  } else {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.find(':') != std::string_view::npos) return refuse("an IPv6 address needs brackets");
  }
  if (host.empty()) host = default_host;
  if (!valid_host(host)) return refuse("the host is not a name or an IP address");
  auto number = parse_port(port);
  if (!number) return refuse(number.error().message);
  return Address{std::string(host), *number};
}

Result<Url> parse_url(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return fail("URL \"" + std::string(text) + "\": " + std::string(why));
  };
  auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return refuse("it must start with http://");
  std::string_view scheme = text.substr(0, scheme_end);
  if (ascii::equal_ignoring_case(scheme, "https")) {
    return refuse("https is not supported; use http:// or put a TLS proxy in front");
  }
  if (!ascii::equal_ignoring_case(scheme, "http")) return refuse("only http:// is supported");
  std::string_view rest = text.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  auto path_at = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, path_at);
  if (authority.find('@') != std::string_view::npos) {
    return refuse("user names and passwords in it are not supported");
  }
  Url url;
  if (path_at != std::string_view::npos) {
    url.path = rest[path_at] == '?' ? "/" + std::string(rest.substr(path_at))
                                    : std::string(rest.substr(path_at));
  }
  bool bad_path = std::any_of(url.path.begin(), url.path.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
  });
  if (bad_path) return refuse("blanks and control characters must be percent-encoded");
  bool has_port = !authority.empty() && authority.back() != ']' &&
                  authority.find(':') != std::string_view::npos;
  auto address =
      parse_address(has_port ? std::string(authority) : std::string(authority) + ":80", "");
  if (!address) return refuse(address.error().message);
  url.address = *address;
  return url;
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string_view name, std::string value) {
  remove(name);
  add(std::string(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_,
                [&](const auto& field) { return ascii::equal_ignoring_case(field.first, name); });
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (ascii::equal_ignoring_case(key, name)) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const auto& field) {
    return ascii::equal_ignoring_case(field.first, name);
  });
}

std::string_view status_text(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::vector<std::string> query_values(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  while (!query.empty()) {
    auto amp = query.find('&');
    std::string_view pair = query.substr(0, amp);
    query = amp == std::string_view::npos ? std::string_view() : query.substr(amp + 1);
    auto equals = pair.find('=');
    if (query_decode(pair.substr(0, equals)) != name) continue;
    values.push_back(equals == std::string_view::npos ? std::string()
                                                      : query_decode(pair.substr(equals + 1)));
  }
  return values;
}

std::string query_value(std::string_view query, std::string_view name) {
  auto values = query_values(query, name);
  return values.empty() ? std::string() : values.front();
}

}  // namespace tidegate::net
