#include "live/actuate/process/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace tidegate::live {
namespace {

bool can_bind(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // As engines do: a connection in TIME_WAIT of the one before does not count.
  int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);  // an engine may listen on all addresses
  bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

PortPool::PortPool()
    : next_(static_cast<std::uint16_t>(kFirst + ::getpid() * 37 % (kLast - kFirst + 1))) {}

Result<std::uint16_t> PortPool::take() {
  for (int tried = 0; tried <= last_ - first_; ++tried) {
    std::uint16_t port = next_;
    next_ = port == last_ ? first_ : static_cast<std::uint16_t>(port + 1);
    if (in_use_.contains(port) || !can_bind(port)) continue;
    in_use_.insert(port);
    return port;
  }
  return fail("no free port between " + std::to_string(first_) + " and " + std::to_string(last_));
}

}  // namespace tidegate::live
