#pragma once
// HTTP/1.1 words shared by server and client: heads, headers, limits, addresses.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::net {

/// Where to listen or connect. Port 0 listens on a free one.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string text() const;  ///< host:port, IPv6 in brackets
  auto operator<=>(const Address&) const = default;
};
/// "8080", ":8080", "127.0.0.1:8080", "[::1]:8080", "localhost:8080".
Result<Address> parse_address(std::string_view text, std::string_view default_host = "127.0.0.1");

/// http://host:port/base. https is refused with a message that says so.
struct Url {
  Address address;
  std::string path = "/";
};
Result<Url> parse_url(std::string_view text);

/// Header fields in order of arrival; names as sent, compared without case.
class Headers {
 public:
  void add(std::string name, std::string value);
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  /// First value, or empty.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }
  void clear() { fields_.clear(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

std::string_view status_text(int status);
/// Value of `name` in a query string, percent-decoded; empty if absent.
std::string query_value(std::string_view query, std::string_view name);
std::vector<std::string> query_values(std::string_view query, std::string_view name);

struct Request {
  std::string method;
  std::string target;  ///< as sent
  std::string path;    ///< before '?'
  std::string query;   ///< after '?'
  Headers headers;
  std::string body;
};

struct Limits {
  std::size_t max_head_bytes = 64 << 10;      ///< request line and headers -> 431
  std::size_t max_headers = 128;              ///< -> 431
  std::size_t max_body_bytes = 32u << 20;     ///< one body -> 413, said as soon as it is known
  std::size_t max_buffered_bytes = 1u << 30;  ///< bodies being read over all connections -> 503
  std::size_t max_connections = 20'000;       ///< over it new ones are closed
  std::size_t high_water_bytes = 256 << 10;   ///< unsent: write() reports back-pressure from here
  Duration head_timeout = seconds(15);        ///< first byte of a head -> its end (slow-loris)
  Duration body_timeout = seconds(60);        ///< longest pause inside a body
  Duration idle_timeout = seconds(75);        ///< keep-alive
  Duration write_timeout = seconds(60);       ///< a client that takes nothing
};

}  // namespace tidegate::net
