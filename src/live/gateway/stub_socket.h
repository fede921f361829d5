#pragma once
// Peers that speak bytes, not HTTP: for what a proper server or client would never send.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::live {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

/// Answers whatever comes with the same bytes and closes.
class RawServer {
 public:
  RawServer(net::Loop& loop, std::string_view says) : loop_(loop), says_(says) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    address = {"127.0.0.1", ntohs(at.sin_port)};
    EXPECT_TRUE(loop_.watch(fd_, EPOLLIN, [this](std::uint32_t) { take(); }));
  }
  ~RawServer() {
    loop_.unwatch(fd_);
    close(fd_);
  }
  net::Address address;

 private:
  void take() {
    int peer = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK);
    if (peer < 0) return;
    EXPECT_GT(::send(peer, says_.data(), says_.size(), MSG_NOSIGNAL), 0);
    shutdown(peer, SHUT_WR);
    close(peer);
  }
  net::Loop& loop_;
  std::string says_;
  int fd_ = -1;
};

/// Sends bytes as they are and collects what comes back.
class RawClient {
 public:
  RawClient(net::Loop& loop, const net::Address& to, const std::string& says) : loop_(loop) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at = loopback(to.port);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::send(fd_, says.data(), says.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(says.size()));
    EXPECT_TRUE(loop_.watch(fd_, EPOLLIN, [this](std::uint32_t) {
      char buffer[4096];
      ssize_t n = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) {
        received.append(buffer, static_cast<std::size_t>(n));
        return;
      }
      closed = true;
      loop_.unwatch(fd_);
    }));
  }
  ~RawClient() {
    if (!closed) loop_.unwatch(fd_);
    close(fd_);
  }
  std::string received;
  bool closed = false;

 private:
  net::Loop& loop_;
  int fd_ = -1;
};

}  // namespace tidegate::live
