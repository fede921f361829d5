#include "live/rpc/server_tls.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "live/net/tls/certificates.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::live::rpc {

Result<void> can_listen(const net::Address& address) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return fail(fmt::format("{}: {}", address.text(), gai_strerror(failed)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(fmt::format("socket: {}", std::strerror(errno)));
  const int on = 1;  // as gRPC will: what lingers from a run before is in nobody's way
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 1) == 0;
  const int error = errno;
  close(fd);
  if (free) return {};
  return fail(fmt::format("{}: {}", address.text(), std::strerror(error)));
}

Result<void> check_authorities(const std::string& flag, const std::string& file) {
  std::ifstream in(file);
  std::stringstream pem;
  if (!(pem << in.rdbuf())) {
    return fail(fmt::format("{} {}: {}", flag, file, in ? "is empty" : std::strerror(errno)));
  }
  if (auto ca = net::CaSet::parse(pem.str()); !ca) {
    return fail(ca.error().within(flag + " " + file));
  }
  return {};
}

Result<void> check(const ServerTls& tls, const std::string& flags) {
  const bool certificate = !tls.certificate_file.empty(), key = !tls.key_file.empty();
  if (certificate != key) {
    return fail(fmt::format("{0}-cert and {0}-key go together: {0}-{1} is missing", flags,
                            certificate ? "key" : "cert"));
  }
  if (!certificate && !tls.client_ca_file.empty()) {
    return fail(fmt::format("{0}-client-ca needs {0}-cert and {0}-key beside it", flags));
  }
  if (!certificate) return {};
  net::TlsOptions files;
  files.certificate_file = tls.certificate_file;
  files.key_file = tls.key_file;
  if (auto pair = net::TlsServer::create(files); !pair) return fail(pair.error());
  if (tls.client_ca_file.empty()) return {};
  return check_authorities(flags + "-client-ca", tls.client_ca_file);
}

}  // namespace tidegate::live::rpc
