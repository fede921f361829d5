#include "live/net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "live/net/http_server_core.h"
#include "live/net/log.h"

namespace tidegate::net {
namespace {

constexpr int kAcceptsPerEvent = 64;
constexpr Duration kAcceptRetry = millis(100);

Address address_of(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return {text, ntohs(v6.sin6_port)};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(from);
  ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return {text, ntohs(v4.sin_port)};
}

std::string cause(int error) {
  std::string text = strerror(error);
  if (!text.empty()) text[0] = static_cast<char>(::tolower(text[0]));
  return text;
}

Result<int> open_listener(const Address& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) return fail(std::string(::gai_strerror(error)));
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(cause(errno));
  int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    std::string why = cause(errno);
    ::close(fd);
    return fail(why);
  }
  return fd;
}

}  // namespace

struct HttpServer::State : http1::ServerCore {
  using ServerCore::ServerCore;
  struct Listener {
    int fd;
    std::shared_ptr<TlsServer> tls;  // or none
    Loop::TimerId retry = Loop::TimerId::kNone;
  };
  std::vector<std::unique_ptr<Listener>> listeners;

  Result<void> watch(Listener& listener, const std::shared_ptr<State>& self) {
    return loop.watch(listener.fd, EPOLLIN,
                      [&listener, weak = std::weak_ptr<State>(self)](std::uint32_t) {
                        if (auto state = weak.lock()) state->accept(listener, state);
                      });
  }

  void accept(Listener& listener, const std::shared_ptr<State>& self) {
    if (listener.tls != nullptr) look(*listener.tls);
    for (int i = 0; i < kAcceptsPerEvent; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      int fd = ::accept4(listener.fd, reinterpret_cast<sockaddr*>(&from), &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          pause(listener, self, errno);
        }
        return;  // EAGAIN, or a client that has gone already
      }
      if (connections.size() >= limits.max_connections) {
        ::close(fd);
        continue;
      }
      int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      auto connection = std::make_shared<http1::ServerConnection>(
          self, fd, address_of(from).text(),
          listener.tls == nullptr ? nullptr : listener.tls->accept(),
          listener.tls == nullptr ? Duration(0) : listener.tls->options().handshake_timeout);
      if (connection->open()) connections.emplace(connection.get(), connection);
    }
  }

  void look(TlsServer& tls) const {
    auto seen = tls.look(loop.now());
    if (!seen) {
      log(Level::kWarn, "the new certificate cannot be used, the old one stays",
          {{"cause", seen.error().message}});
    } else if (*seen == TlsServer::Look::kReadAgain) {
      log(Level::kInfo, "certificate read again", {{"file", tls.options().certificate_file}});
    }
  }

  /// Out of descriptors: the clients wait in the kernel's queue, instead of the loop spinning on
  /// it.
  void pause(Listener& listener, const std::shared_ptr<State>& self, int error) {
    log(Level::kWarn, "accepting paused", {{"cause", cause(error)}});
    loop.unwatch(listener.fd);
    listener.retry = loop.after(kAcceptRetry, [&listener, weak = std::weak_ptr<State>(self)] {
      auto state = weak.lock();
      if (!state) return;
      listener.retry = Loop::TimerId::kNone;
      if (!state->watch(listener, state)) state->pause(listener, state, ENOMEM);
    });
  }

  void close_listeners() {
    for (auto& listener : listeners) {
      loop.unwatch(listener->fd);
      loop.cancel(listener->retry);
      ::close(listener->fd);
    }
    // Not inside accept(): that runs only accept4() and the watch, never a handler.
    listeners.clear();
  }
};

HttpServer::HttpServer(Loop& loop, Limits limits, Handler handler)
    : state_(std::make_shared<State>(loop, limits, std::move(handler))) {}

void HttpServer::set_max_body_bytes(std::size_t bytes) { state_->limits.max_body_bytes = bytes; }

HttpServer::~HttpServer() {
  state_->shut = true;
  state_->close_listeners();
  while (!state_->connections.empty()) state_->connections.begin()->second->close();
}

Result<Address> HttpServer::listen(const Address& address, std::shared_ptr<TlsServer> tls) {
  auto refuse = [&](const std::string& why) {
    const bool taken = why.find("in use") != std::string::npos;
    return fail(
        "cannot listen on " + address.text() + ": " + why +
        (taken ? "; stop who listens there, or take another port"
         : address.port > 0 && address.port < 1024 && why.find("denied") != std::string::npos
             ? "; ports below 1024 want root or CAP_NET_BIND_SERVICE"
             : ""));
  };
  auto fd = open_listener(address);
  if (!fd) return refuse(fd.error().message);
  auto listener = std::make_unique<State::Listener>(State::Listener{*fd, std::move(tls)});
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    ::close(*fd);
    return refuse(cause(errno));
  }
  if (auto watched = state_->watch(*listener, state_); !watched) {
    ::close(*fd);
    return refuse(watched.error().message);
  }
  state_->listeners.push_back(std::move(listener));
  return address_of(bound);
}

void HttpServer::part() { state_->parting = true; }

void HttpServer::drain() {
  state_->draining = true;
  state_->close_listeners();
  std::vector<std::shared_ptr<http1::ServerConnection>> all;
  for (auto& [key, connection] : state_->connections) all.push_back(connection);
  for (auto& connection : all) connection->drain();
}

std::size_t HttpServer::connections() const { return state_->connections.size(); }
std::size_t HttpServer::open_exchanges() const { return state_->open_exchanges; }

}  // namespace tidegate::net
