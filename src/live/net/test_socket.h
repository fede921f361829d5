#pragma once
// For tests: bare sockets on the loop under test, so that every byte on the wire is ours.

#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "live/net/http.h"
#include "live/net/loop.h"

namespace tidegate::net {

constexpr Duration kTestPatience = seconds(20);  // never waited for when the code is right

class RawSocket {
 public:
  RawSocket(Loop& loop, int fd) : loop_(loop), fd_(fd) { watch(); }
  /// Connects (loopback: at once).
  RawSocket(Loop& loop, const Address& to, int receive_buffer = 0) : loop_(loop) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(to.port);
    ::inet_pton(AF_INET, to.host.c_str(), &in.sin_addr);
    int rc = ::connect(fd_, reinterpret_cast<sockaddr*>(&in), sizeof in);
    EXPECT_TRUE(rc == 0 || errno == EINPROGRESS) << errno;
    watch();
  }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  /// Queues bytes; the loop sends them. False once the peer has refused them.
  void send(std::string_view bytes) {
    out_.append(bytes);
    pump_out();
  }
  bool sent_all() const { return out_.empty(); }
  void stop_reading() { reading_ = false, interest(); }
  void start_reading() { reading_ = true, interest(); }
  /// Once all is sent.
  void half_close() {
    half_close_ = true;
    pump_out();
  }
  void close() {
    if (fd_ < 0) return;
    loop_.unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  void reset() {
    linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  /// What has come in so far.
  std::string in;
  bool ended = false;  // FIN or reset seen
  bool was_reset = false;

  bool wait(const std::function<bool()>& done) { return loop_.run_until(done, kTestPatience); }
  bool wait_for(std::string_view text) {
    return wait([&] { return in.find(text) != std::string::npos; });
  }
  bool wait_end() {
    return wait([&] { return ended; });
  }

 private:
  void watch() {
    EXPECT_TRUE(loop_.watch(fd_, EPOLLIN, [this](std::uint32_t events) { on_event(events); }));
  }
  void interest() {
    loop_.change(fd_, (reading_ && !ended ? static_cast<std::uint32_t>(EPOLLIN) : 0u) |
                          (out_.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT)));
  }
  void pump_out() {
    while (!out_.empty() && !ended) {
      ssize_t n = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (n < 0) {
        if (errno != EAGAIN && errno != ENOTCONN) out_.clear();
        break;
      }
      out_.erase(0, static_cast<std::size_t>(n));
    }
    if (out_.empty() && half_close_) ::shutdown(fd_, SHUT_WR);
    interest();
  }
  void on_event(std::uint32_t events) {
    if (events & EPOLLOUT) pump_out();
    if (!reading_) return;
    char buffer[65536];
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n > 0) {
      in.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EAGAIN) {
      was_reset = n < 0;
      ended = true;
      loop_.unwatch(fd_);
    }
  }

  Loop& loop_;
  int fd_ = -1;
  bool reading_ = true;
  bool half_close_ = false;
  std::string out_;
};

/// Accepts connections and hands each to the test as a RawSocket.
class RawServer {
 public:
  explicit RawServer(Loop& loop) : loop_(loop) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof in;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&in), size), 0);
    EXPECT_EQ(::listen(fd_, 128), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&in), &size), 0);
    address = {"127.0.0.1", ntohs(in.sin_port)};
    EXPECT_TRUE(loop_.watch(fd_, EPOLLIN, [this](std::uint32_t) {
      int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) accepted.push_back(std::make_unique<RawSocket>(loop_, fd));
    }));
  }
  ~RawServer() { close(); }
  void close() {
    if (fd_ < 0) return;
    loop_.unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  /// The n-th connection once it has sent `text`.
  RawSocket& nth(std::size_t n, std::string_view text = "\r\n\r\n") {
    EXPECT_TRUE(loop_.run_until([&] { return accepted.size() > n; }, kTestPatience));
    EXPECT_TRUE(accepted.at(n)->wait_for(text)) << accepted[n]->in;
    return *accepted[n];
  }
  Address address;
  std::vector<std::unique_ptr<RawSocket>> accepted;

 private:
  Loop& loop_;
  int fd_ = -1;
};

}  // namespace tidegate::net
