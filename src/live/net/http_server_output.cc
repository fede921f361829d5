// ServerConnection, second half: bytes out, time-outs, the end.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "live/net/clock.h"
#include "live/net/http_server_core.h"

namespace tidegate::net::http1 {

std::string_view ServerCore::date() {
  if (!date_.empty() && loop.now() - date_read_ < seconds(1)) return date_;
  date_read_ = loop.now();
  std::time_t now = WorldClock::wall_now().unix_nanos() / 1'000'000'000;
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  // The C locale's names whatever the process's locale: nothing here calls setlocale().
  date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc));
  return date_;
}

ServerConnection::ServerConnection(std::shared_ptr<ServerCore> core, int fd, std::string peer,
                                   std::unique_ptr<TlsStream> tls, Duration handshake_timeout)
    : core_(std::move(core)),
      fd_(fd),
      peer_(std::move(peer)),
      phase_(tls == nullptr ? Phase::kHead : Phase::kHandshake),
      deadline_(core_->loop,
                [this] {
                  auto self = shared_from_this();
                  on_expired();
                }),
      tls_(std::move(tls)),
      handshake_timeout_(handshake_timeout) {}

ServerConnection::~ServerConnection() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> ServerConnection::open() {
  deadline_.set(core_->loop.now() +
                (tls_ == nullptr ? core_->limits.idle_timeout : handshake_timeout_));
  return core_->loop.watch(fd_, EPOLLIN | EPOLLRDHUP,
                           [this](std::uint32_t events) { on_event(events); });
}

void ServerConnection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  deadline_.clear();
  release_body_bytes();
  core_->loop.unwatch(fd_);
  ::close(fd_);
  fd_ = -1;
  core_->loop.defer([self = shared_from_this()] {});  // whoever is inside a method may finish it
  core_->connections.erase(this);
  if (exchange_ == nullptr) return;
  ServerExchange* exchange = exchange_;
  exchange_ = nullptr;
  --core_->open_exchanges;
  exchange->connection_closed();
}

void ServerConnection::drain() {
  if (phase_ == Phase::kHandshake || (phase_ == Phase::kHead && !head_begun_)) close();
}

void ServerConnection::update_interest() {
  if (phase_ == Phase::kClosed) return;
  std::uint32_t events = EPOLLIN | EPOLLRDHUP;
  // Over TLS reading makes answers of its own: who takes none is not read.
  if (input_paused_ || (tls_ != nullptr && blocked_))
    events &= ~static_cast<std::uint32_t>(EPOLLIN);
  if (half_closed_) events = 0;
  if (blocked_) events |= EPOLLOUT;
  core_->loop.change(fd_, events);
}

void ServerConnection::send(std::string_view first, std::string_view second) {
  if (phase_ == Phase::kClosed) return;
  std::size_t sent = 0;
  if (unsent() == 0 && tls_ == nullptr) {
    iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                      {const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = second.empty() ? 1 : 2;
    ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return close();
    sent = n > 0 ? static_cast<std::size_t>(n) : 0;
    if (sent == first.size() + second.size()) return;
  }
  for (std::string_view part : {first, second}) {
    std::size_t skip = std::min(sent, part.size());
    sent -= skip;
    out_.append(part.substr(skip));
  }
  flush();
}

void ServerConnection::queue(std::string_view bytes) {
  if (phase_ == Phase::kClosed) return;
  out_.append(bytes);
  if (dirty_ || blocked_) return;
  dirty_ = true;
  if (core_->dirty.empty()) {
    core_->loop.defer([core = core_] {
      std::vector<std::shared_ptr<ServerConnection>> batch;
      batch.swap(core->dirty);
      for (auto& connection : batch) {
        connection->dirty_ = false;
        connection->flush();
      }
    });
  }
  core_->dirty.push_back(shared_from_this());
}

void ServerConnection::flush() {
  if (phase_ == Phase::kClosed) return;
  if (tls_ != nullptr) seal();
  bool progress = false;
  while (unsent() > 0) {
    ssize_t n = ::send(fd_, out_.data() + out_at_, unsent(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return close();
    out_at_ += static_cast<std::size_t>(n);
    progress = true;
  }
  bool was_blocked = blocked_;
  blocked_ = unsent() > 0;
  if (blocked_) {
    if (out_at_ >= kFlushBytes && out_at_ * 2 >= out_.size()) {
      out_.erase(0, out_at_);
      out_at_ = 0;
    }
    if (phase_ != Phase::kHandshake && (progress || !was_blocked)) {
      deadline_.set(core_->loop.now() + core_->limits.write_timeout);
    }
  } else {
    out_at_ = 0;
    if (out_.capacity() > 2 * kFlushBytes) {
      out_ = {};  // one slow moment must not hold its memory for the life of a connection
    } else {
      out_.clear();
    }
    if (was_blocked && phase_ == Phase::kHandling) deadline_.clear();
  }
  sealed_ = out_.size();
  update_interest();
  if (phase_ == Phase::kFlushing && !blocked_) return flushed();
  if (exchange_ != nullptr && unsent() * 2 <= core_->limits.high_water_bytes) {
    exchange_->connection_writable();
  }
}

void ServerConnection::flushed() {
  if (close_after_) {
    linger();
  } else {
    next_request();
  }
}

void ServerConnection::response_done(Next next) {
  exchange_ = nullptr;
  --core_->open_exchanges;
  close_after_ = next == Next::kClose;
  phase_ = Phase::kFlushing;
  if (unsent() == 0) flushed();
}

void ServerConnection::linger() {
  // A close with unread bytes resets the connection and may wipe out the answer on its way. So: say
  // that we are done, and wait for the client to close.
  phase_ = Phase::kLinger;
  if (tls_ != nullptr) say_end();
  ::shutdown(fd_, SHUT_WR);
  input_paused_ = false;
  half_closed_ = false;
  deadline_.set(core_->loop.now() + kLinger);
  update_interest();
}

void ServerConnection::break_off(Break how) {
  if (how == Break::kReset) {
    ::linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  close();
}

void ServerConnection::on_expired() {
  switch (phase_) {
    case Phase::kHandshake:
      return close();
    case Phase::kHead:
      if (head_begun_) return refuse(408, "the request head took too long");
      return close();
    case Phase::kBody:
      return refuse(408, "the request body stopped arriving");
    case Phase::kHandling:
    case Phase::kFlushing:
      if (blocked_) close();  // the client takes nothing
      return;
    case Phase::kLinger:
      return close();
    case Phase::kClosed:
      return;
  }
}

}  // namespace tidegate::net::http1
