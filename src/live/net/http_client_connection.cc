// ClientConnection, first half: connecting, sending, time-outs, the end.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utility>

#include "live/net/http_client_core.h"

namespace tidegate::net::http1 {

ClientConnection::ClientConnection(std::shared_ptr<ClientCore> core, Address address)
    : core_(std::move(core)), address_(std::move(address)), deadline_(core_->loop, [this] {
        auto self = shared_from_this();
        on_expired();
      }) {}

ClientConnection::~ClientConnection() {
  if (fd_ >= 0) ::close(fd_);
}

void ClientConnection::connect(std::shared_ptr<Call> call, std::vector<SocketAddress> candidates) {
  call_ = std::move(call);
  call_->connection = shared_from_this();
  candidates_ = std::move(candidates);
  set_deadline(call_->request.connect_timeout);
  try_next_candidate();
}

void ClientConnection::try_next_candidate() {
  while (candidate_ < candidates_.size()) {
    const SocketAddress& to = candidates_[candidate_++];
    if (fd_ >= 0) {
      core_->loop.unwatch(fd_);
      ::close(fd_);
    }
    fd_ = ::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
      connect_error_ = strerror(errno);
      continue;
    }
    int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int rc = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to.storage), to.size);
    if (rc != 0 && errno != EINPROGRESS && errno != EINTR) {
      connect_error_ = strerror(errno);
      continue;
    }
    auto watched = core_->loop.watch(fd_, EPOLLOUT, [this](std::uint32_t e) { on_event(e); });
    if (watched) return;
    connect_error_ = watched.error().message;
  }
  auto call = call_;
  std::string why = "cannot connect to " + address_.text() + ": " + connect_error_;
  close();
  core_->fail_later(call, ClientErrorKind::kConnect, std::move(why));
}

void ClientConnection::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    connect_error_ = strerror(error);
    return try_next_candidate();
  }
  candidates_ = {};
  send_request();
}

void ClientConnection::reuse(std::shared_ptr<Call> call) {
  call_ = std::move(call);
  call_->connection = shared_from_this();
  reused_ = true;
  send_request();
}

void ClientConnection::send_request() {
  phase_ = Phase::kHead;
  sent_ = 0;
  blocked_ = send_failed_ = any_byte_ = false;
  scanner_.reset();
  set_deadline(call_->request.first_byte_timeout);
  continue_sending();
}

void ClientConnection::continue_sending() {
  std::string_view head = call_->head;
  std::string_view body = call_->body();
  std::size_t total = head.size() + body.size();
  while (sent_ < total && !send_failed_) {
    std::string_view first;
    std::string_view second = body;
    if (sent_ < head.size()) {
      first = head.substr(sent_);
    } else {
      second.remove_prefix(sent_ - head.size());
    }
    iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                      {const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    // Not an error yet: the server may have answered early (413) before it closed; reading will
    // tell.
    if (n < 0) send_failed_ = true;
    if (n > 0) sent_ += static_cast<std::size_t>(n);
  }
  blocked_ = sent_ < total && !send_failed_;
  update_interest();
}

void ClientConnection::update_interest() {
  if (fd_ < 0 || hung_up_) return;
  std::uint32_t events = paused() ? 0 : static_cast<std::uint32_t>(EPOLLIN);
  if (blocked_) events |= EPOLLOUT;
  core_->loop.change(fd_, events);
}

void ClientConnection::set_deadline(Duration wall) {
  if (wall > Duration(0)) {
    deadline_.set(core_->loop.now() + wall);
  } else {
    deadline_.clear();
  }
}

void ClientConnection::paused_changed() {
  if (phase_ == Phase::kConnecting || phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kBody) {
    set_deadline(paused() ? Duration(0) : call_->request.idle_timeout);
  }
  if (!paused() && hung_up_) {
    hung_up_ = false;
    auto watched = core_->loop.watch(fd_, EPOLLIN, [this](std::uint32_t e) { on_event(e); });
    if (!watched) {
      auto call = call_;
      close();
      return core_->fail_later(call, ClientErrorKind::kReset, watched.error().message);
    }
  }
  update_interest();
  if (paused() || input_.empty()) return;
  if (resuming_) return;
  resuming_ = true;
  core_->loop.defer([self = shared_from_this()] {
    self->resuming_ = false;
    self->take({});
  });
}

void ClientConnection::on_event(std::uint32_t events) {
  auto self = shared_from_this();
  if (phase_ == Phase::kConnecting) return on_connected();
  if ((events & EPOLLOUT) && call_) continue_sending();
  if (paused()) {
    // A hang-up is told whatever one asks for: out of the epoll set until reading goes on.
    if (events & (EPOLLERR | EPOLLHUP)) {
      core_->loop.unwatch(fd_);
      hung_up_ = true;
    }
    return;
  }
  if (!resuming_ && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) on_readable();
}

void ClientConnection::on_expired() {
  switch (phase_) {
    case Phase::kConnecting:
      return fail(ClientErrorKind::kConnect,
                  "cannot connect to " + address_.text() + ": timed out");
    case Phase::kHead:
      return fail(ClientErrorKind::kTimeout, "no response from " + address_.text() + " in time");
    case Phase::kBody:
      return fail(ClientErrorKind::kTimeout,
                  "the response of " + address_.text() + " stopped arriving");
    case Phase::kIdle:
      core_->drop_idle(this);
      return close();
    case Phase::kClosed:
      return;
  }
}

void ClientConnection::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  deadline_.clear();
  if (fd_ >= 0) {
    core_->loop.unwatch(fd_);
    ::close(fd_);
    fd_ = -1;
  }
  // Whoever is inside a method may finish it.
  core_->loop.defer([self = shared_from_this()] {});
  if (call_) call_->connection = nullptr;
  call_ = nullptr;
}

void ClientConnection::fail(ClientErrorKind kind, std::string message) {
  auto call = call_;
  close();
  core_->fail_call(call, kind, std::move(message));
}

void ClientConnection::lost(int error) {
  std::string why = error == 0 ? "closed the connection" : strerror(error);
  if (phase_ == Phase::kIdle) {
    core_->drop_idle(this);
    return close();
  }
  if (phase_ == Phase::kBody && kind_ == BodyKind::kUntilClose && error == 0) {
    return response_complete(Leftover::kNone);
  }
  if (phase_ == Phase::kHead && reused_ && !any_byte_ && !call_->retried) {
    // The server closed an idle connection while we picked it: nobody's fault, once.
    auto call = call_;
    close();
    call->retried = true;
    return core_->begin(call, ClientCore::Reuse::kFresh);
  }
  fail(ClientErrorKind::kReset,
       address_.text() + " " +
           (phase_ == Phase::kBody ? "broke off its response: " : "gave no response: ") + why);
}

}  // namespace tidegate::net::http1
