// ClientConnection, second half: bytes in -> responses.
#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "live/net/http_client_core.h"

namespace tidegate::net::http1 {

void ClientConnection::on_readable() {
  if (phase_ == Phase::kClosed) return;
  auto& buffer = core_->read_buffer;
  ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return lost(n == 0 ? 0 : errno);
  if (phase_ == Phase::kIdle) return lost(EPROTO);  // bytes nobody asked for
  any_byte_ = true;
  take({buffer.data(), static_cast<std::size_t>(n)});
}

void ClientConnection::take(std::string_view bytes) {
  if (consuming_ || !call_) return;
  if (input_.empty()) {
    std::size_t used = consume(bytes);
    if (phase_ != Phase::kClosed) input_.assign(bytes.substr(used));
  } else {
    input_.append(bytes);
    input_.erase(0, consume(input_));
  }
}

std::size_t ClientConnection::consume(std::string_view bytes) {
  consuming_ = true;
  std::size_t at = 0;
  while (at < bytes.size() && !paused()) {
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
  return at;
}

std::size_t ClientConnection::consume_head(std::string_view bytes) {
  auto state = scanner_.scan(bytes);
  bool complete = state == HeadScanner::State::kComplete;
  if ((complete ? scanner_.length() : bytes.size()) > kMaxHeadBytes) {
    fail(ClientErrorKind::kProtocol, "the response head of " + address_.text() + " is over " +
                                         std::to_string(kMaxHeadBytes) + " bytes");
    return 0;
  }
  if (state == HeadScanner::State::kBad) {
    fail(ClientErrorKind::kProtocol, "the response of " + address_.text() + " is not HTTP");
    return 0;
  }
  if (!complete) return 0;
  std::size_t length = scanner_.length();
  scanner_.reset();
  head_ = {};
  std::string why = parse_response(bytes.substr(0, length), kMaxHeaders, head_);
  if (why.empty() && head_.status == 101) why = "an upgrade nobody asked for";
  if (!why.empty()) {
    fail(ClientErrorKind::kProtocol, "bad response of " + address_.text() + ": " + why);
    return 0;
  }
  if (head_.status >= 200) {
    head_complete();
    // Without a body the response is over; bytes behind it belong to nobody.
    if (phase_ == Phase::kBody && kind_ == BodyKind::kNone) {
      response_complete(bytes.size() > length ? Leftover::kSome : Leftover::kNone);
    }
  }
  return length;
}

void ClientConnection::head_complete() {
  phase_ = Phase::kBody;
  received_ = 0;
  chunks_ = {};
  left_ = head_.framing.content_length.value_or(0);
  if (call_->request.method == "HEAD" || head_.status == 204 || head_.status == 304) {
    kind_ = BodyKind::kNone;
  } else if (head_.framing.chunked) {
    kind_ = BodyKind::kChunked;
  } else if (head_.framing.content_length) {
    kind_ = left_ == 0 ? BodyKind::kNone : BodyKind::kLength;
  } else {
    kind_ = BodyKind::kUntilClose;
  }
  auto call = call_;
  call->head_seen = true;
  set_deadline(call->paused ? Duration(0) : call->request.idle_timeout);
  if (call->handler.on_head) call->handler.on_head(head_.status, head_.headers);
}

bool ClientConnection::deliver(std::string_view data) {
  auto call = call_;
  received_ += data.size();
  if (call->request.max_response_bytes > 0 && received_ > call->request.max_response_bytes) {
    fail(ClientErrorKind::kProtocol, "the response of " + address_.text() + " is over " +
                                         std::to_string(call->request.max_response_bytes) +
                                         " bytes");
    return false;
  }
  if (call->handler.on_data) call->handler.on_data(data);
  return call_ == call && !call->paused;
}

std::size_t ClientConnection::consume_body(std::string_view bytes) {
  if (call_->request.idle_timeout > Duration(0)) set_deadline(call_->request.idle_timeout);
  std::size_t used = bytes.size();
  bool done = false;
  if (kind_ == BodyKind::kChunked) {
    used = chunks_.feed(bytes, [this](std::string_view data) { return deliver(data); });
    if (phase_ == Phase::kBody && chunks_.bad()) {
      fail(ClientErrorKind::kProtocol, "a bad chunk in the response of " + address_.text());
    }
    done = chunks_.done();
  } else {
    if (kind_ == BodyKind::kLength) {
      used = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= used;
      done = left_ == 0;
    }
    deliver(bytes.substr(0, used));
  }
  if (done && phase_ == Phase::kBody && call_) {
    response_complete(used < bytes.size() ? Leftover::kSome : Leftover::kNone);
  }
  return used;
}

void ClientConnection::response_complete(Leftover leftover) {
  bool all_sent = sent_ == call_->head.size() + call_->body().size();
  bool reusable = head_.framing.keep_alive && kind_ != BodyKind::kUntilClose && all_sent &&
                  leftover == Leftover::kNone && !hung_up_;
  auto call = call_;
  call->over = true;
  core_->forget(*call);
  call->connection = nullptr;
  call_ = nullptr;
  auto self = shared_from_this();
  // Back into the pool first: on_end may send the next request, which then finds it there.
  if (reusable) {
    phase_ = Phase::kIdle;
    set_deadline(core_->options.idle_timeout);
    core_->keep(self);
  } else {
    close();
  }
  if (call->handler.on_end) call->handler.on_end();
}

}  // namespace tidegate::net::http1
