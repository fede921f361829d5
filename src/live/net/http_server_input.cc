// ServerConnection, first half: bytes in -> requests.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/base/ascii.h"
#include "live/net/http_server_core.h"

namespace tidegate::net::http1 {
namespace {

/// A body's room is reserved up to here; beyond, it grows as bytes really arrive.
constexpr std::uint64_t kMaxReserveBytes = 1u << 20;

}  // namespace

void ServerConnection::on_event(std::uint32_t events) {
  auto self = shared_from_this();
  if (events & (EPOLLERR | EPOLLHUP)) return close();
  if (events & EPOLLOUT) flush();
  if (events & EPOLLIN) on_readable();
  if (!(events & EPOLLRDHUP)) return;
  // The client sends no more. While it reads a request, recv() will tell; while a handler works, it
  // left; while an answer is on its way out, it may still want that.
  if (phase_ == Phase::kHandling) return close();
  if (phase_ == Phase::kFlushing) {
    half_closed_ = true;
    update_interest();
  }
}

void ServerConnection::on_readable() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kHandling || phase_ == Phase::kFlushing) {
    input_paused_ = true;
    return update_interest();
  }
  auto& buffer = core_->read_buffer;
  ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return close();
  if (phase_ == Phase::kLinger) return;
  std::string_view bytes(buffer.data(), static_cast<std::size_t>(n));
  tls_ == nullptr ? take(bytes) : take_sealed(bytes);
}

void ServerConnection::take(std::string_view bytes) {
  if (input_.empty()) {
    std::size_t used = consume(bytes);
    if (phase_ != Phase::kClosed) input_.assign(bytes.substr(used));
  } else {
    input_.append(bytes);
    input_.erase(0, consume(input_));
  }
}

std::size_t ServerConnection::consume(std::string_view bytes) {
  consuming_ = true;
  std::size_t at = 0;
  while (at < bytes.size()) {
    Phase before = phase_;
    std::size_t used = 0;
    if (phase_ == Phase::kHead) {
      used = consume_head(bytes.substr(at));
    } else if (phase_ == Phase::kBody) {
      used = consume_body(bytes.substr(at));
    }
    at += used;
    if (used == 0 && phase_ == before) break;
  }
  consuming_ = false;
  if (phase_ == Phase::kBody) deadline_.set(core_->loop.now() + core_->limits.body_timeout);
  return at;
}

std::size_t ServerConnection::consume_head(std::string_view bytes) {
  if (!head_begun_) {
    if (bytes.starts_with("\r\n")) return 2;  // RFC 9112 §2.2: empty lines before a request
    if (bytes == "\r") return 0;
    if (!ascii::is_letter(bytes.front())) {
      refuse(400, "this is not HTTP (TLS is not spoken here)");
      return 0;
    }
  }
  auto state = scanner_.scan(bytes);
  bool complete = state == HeadScanner::State::kComplete;
  if ((complete ? scanner_.length() : bytes.size()) > core_->limits.max_head_bytes) {
    refuse(431,
           "the request head is over " + std::to_string(core_->limits.max_head_bytes) + " bytes");
    return 0;
  }
  if (state == HeadScanner::State::kBad) refuse(400, "a bare LF in the head");
  if (!complete) {
    // Set once, at the first byte: a head that dribbles in does not move it (slow-loris).
    if (!head_begun_ && phase_ == Phase::kHead) {
      deadline_.set(core_->loop.now() + core_->limits.head_timeout);
    }
    head_begun_ = true;
    return 0;
  }
  std::size_t length = scanner_.length();
  Refusal refusal = parse_request(bytes.substr(0, length), core_->limits, request_, framing_);
  if (refusal.status != 0) {
    refuse(refusal.status, refusal.message);
  } else {
    head_complete(bytes.size() > length);
  }
  return length;
}

void ServerConnection::head_complete(bool more_follows) {
  std::uint64_t length = framing_.content_length.value_or(0);
  if (length > core_->limits.max_body_bytes) {
    return refuse(413, "the body has " + std::to_string(length) + " bytes, the limit is " +
                           std::to_string(core_->limits.max_body_bytes));
  }
  if (!framing_.chunked && length == 0) return dispatch();
  phase_ = Phase::kBody;
  body_left_ = length;
  request_.body.reserve(static_cast<std::size_t>(std::min(length, kMaxReserveBytes)));
  if (framing_.expects_continue && !more_follows) send("HTTP/1.1 100 Continue\r\n\r\n", {});
}

std::size_t ServerConnection::consume_body(std::string_view bytes) {
  if (!framing_.chunked) {
    auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes.size()));
    body_left_ -= n;
    if (grow_body(bytes.substr(0, n)) && body_left_ == 0) dispatch();
    return n;
  }
  std::size_t used = chunks_.feed(bytes, [this](std::string_view data) { return grow_body(data); });
  if (phase_ != Phase::kBody) return used;  // refused
  if (chunks_.bad()) {
    refuse(400, "a bad chunk in the body");
  } else if (chunks_.done()) {
    dispatch();
  }
  return used;
}

bool ServerConnection::grow_body(std::string_view bytes) {
  if (request_.body.size() + bytes.size() > core_->limits.max_body_bytes) {
    refuse(413, "the body is over " + std::to_string(core_->limits.max_body_bytes) + " bytes");
    return false;
  }
  if (core_->buffered_bytes + bytes.size() > core_->limits.max_buffered_bytes) {
    refuse(503, "too many request bodies are being read");
    return false;
  }
  counted_bytes_ += bytes.size();
  core_->buffered_bytes += bytes.size();
  request_.body.append(bytes);
  return true;
}

void ServerConnection::release_body_bytes() {
  core_->buffered_bytes -= counted_bytes_;
  counted_bytes_ = 0;
}

void ServerConnection::dispatch() {
  release_body_bytes();
  phase_ = Phase::kHandling;
  deadline_.clear();
  auto exchange = std::make_shared<ServerExchange>(core_, this, std::move(request_), framing_);
  exchange_ = exchange.get();
  ++core_->open_exchanges;
  core_->handler(std::move(exchange));
}

void ServerConnection::refuse(int status, std::string_view message) {
  release_body_bytes();
  request_ = {};
  std::string body = R"({"error":{"message":")" + std::string(message) +
                     R"(","type":"invalid_request_error","param":null,"code":)" +
                     std::to_string(status) + "}}\n";
  std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
  head.append(status_text(status)).append("\r\nDate: ").append(core_->date());
  head.append("\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ");
  head.append(std::to_string(body.size())).append("\r\n\r\n");
  phase_ = Phase::kFlushing;
  close_after_ = true;
  send(head, body);
  if (phase_ == Phase::kFlushing && unsent() == 0) flushed();
}

void ServerConnection::next_request() {
  if (core_->draining && input_.empty()) return close();
  phase_ = Phase::kHead;
  head_begun_ = false;
  scanner_.reset();
  request_ = {};
  framing_ = {};
  chunks_ = {};
  input_paused_ = false;
  half_closed_ = false;
  deadline_.set(core_->loop.now() + core_->limits.idle_timeout);
  update_interest();
  if (consuming_ || input_.empty()) return;
  // A pipelined request waits. Not from here: this may be inside a handler's respond().
  core_->loop.defer([self = shared_from_this()] {
    if (self->phase_ != Phase::kClosed && !self->consuming_) {
      self->input_.erase(0, self->consume(self->input_));
    }
  });
}

}  // namespace tidegate::net::http1
