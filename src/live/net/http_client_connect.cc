// Resolver, and how a request head is written.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "core/base/ascii.h"
#include "live/net/http_client_core.h"

namespace tidegate::net::http1 {
namespace {

SocketAddress v4(const in_addr& host, std::uint16_t port) {
  SocketAddress out;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = host;
  in.sin_port = htons(port);
  std::memcpy(&out.storage, &in, sizeof in);
  out.size = sizeof in;
  return out;
}

SocketAddress v6(const in6_addr& host, std::uint16_t port) {
  SocketAddress out;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = host;
  in.sin6_port = htons(port);
  std::memcpy(&out.storage, &in, sizeof in);
  out.size = sizeof in;
  return out;
}

std::vector<SocketAddress> numeric(const Address& address) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, address.host.c_str(), &four) == 1) return {v4(four, address.port)};
  if (::inet_pton(AF_INET6, address.host.c_str(), &six) == 1) return {v6(six, address.port)};
  if (ascii::equal_ignoring_case(address.host, "localhost")) {
    four.s_addr = htonl(INADDR_LOOPBACK);
    return {v4(four, address.port), v6(in6addr_loopback, address.port)};
  }
  return {};
}

/// Fields that speak about the connection; the client writes its own.
bool is_ours(std::string_view name) {
  for (std::string_view ours :
       {"content-length", "transfer-encoding", "connection", "keep-alive", "expect", "upgrade"}) {
    if (ascii::equal_ignoring_case(name, ours)) return true;
  }
  return false;
}

bool printable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
}

}  // namespace

Result<std::vector<SocketAddress>> Resolver::resolve(const Address& address, Instant now) {
  if (auto found = numeric(address); !found.empty()) return found;
  if (auto it = known_.find(address); it != known_.end() && now < it->second.until) {
    return it->second.found;
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) {
    return tidegate::fail("cannot resolve \"" + address.host + "\": " + ::gai_strerror(error));
  }
  std::vector<SocketAddress> found;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress one;
    if (at->ai_addrlen > sizeof one.storage) continue;
    std::memcpy(&one.storage, at->ai_addr, at->ai_addrlen);
    one.size = at->ai_addrlen;
    found.push_back(one);
  }
  ::freeaddrinfo(list);
  if (known_.size() >= kMaxNames) known_.clear();
  known_[address] = {found, now + kRemember};
  return found;
}

Result<std::string> encode_request_head(const ClientRequest& request, std::size_t body_bytes) {
  if (!printable(request.method)) return tidegate::fail("the method is empty or holds blanks");
  if (!printable(request.path) || (request.path.front() != '/' && request.path != "*")) {
    return tidegate::fail("path \"" + request.path + "\" must start with / and hold no blanks");
  }
  std::string out;
  out.reserve(256);
  out.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\n");
  if (!request.headers.has("host")) append_field(out, "Host", request.address.text());
  for (const auto& [name, value] : request.headers.all()) {
    if (!is_ours(name)) append_field(out, name, value);
  }
  bool may_have_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (body_bytes > 0 || may_have_body) {
    append_field(out, "Content-Length", std::to_string(body_bytes));
  }
  out.append("\r\n");
  return out;
}

}  // namespace tidegate::net::http1
