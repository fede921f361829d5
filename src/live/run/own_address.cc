#include "live/run/own_address.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace tidegate::live {
namespace {

bool is_any(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

/// "https://10.96.0.1:443/x" -> {"10.96.0.1", 443}.
Result<net::Address> address_in(const std::string& url) {
  const auto scheme = url.find("://");
  std::string_view rest = url;
  if (scheme != std::string::npos) rest.remove_prefix(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  const auto bracket = rest.rfind(']');
  const bool has_port =
      rest.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
  return net::parse_address(std::string(rest) + (has_port ? "" : ":443"));
}

/// The local end of a datagram socket that is connected there; empty: no way there.
std::string local_end(const addrinfo& to) {
  const int fd = ::socket(to.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "";
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  char text[NI_MAXHOST] = "";
  const bool known = ::connect(fd, to.ai_addr, to.ai_addrlen) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
                     ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text,
                                   nullptr, 0, NI_NUMERICHOST) == 0;
  ::close(fd);
  return known ? text : "";
}

}  // namespace

Result<std::string> own_host(const net::Address& listen, const std::string& server_url) {
  if (!is_any(listen.host)) return listen.host;
  auto server = address_in(server_url);
  if (!server) return fail(server.error().within(server_url));
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int failed =
      ::getaddrinfo(server->host.c_str(), std::to_string(server->port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* all) {
    if (all != nullptr) ::freeaddrinfo(all);
  });
  for (const addrinfo* at = failed == 0 ? list : nullptr; at != nullptr; at = at->ai_next) {
    if (std::string host = local_end(*at); !host.empty()) return host;
  }
  return fail(
      fmt::format("at which address others reach {} is not known: {}; listen at one address "
                  "instead of all",
                  listen.text(),
                  failed != 0 ? fmt::format("\"{}\": {}", server->host, gai_strerror(failed))
                              : "there is no route to " + server_url));
}

}  // namespace tidegate::live
