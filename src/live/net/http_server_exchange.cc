#include <charconv>

#include "core/base/ascii.h"
#include "live/net/http_server_core.h"

namespace tidegate::net::http1 {
namespace {

bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

/// Fields that speak about this connection; the exchange writes its own.
bool is_ours(std::string_view name) {
  return ascii::equal_ignoring_case(name, "content-length") ||
         ascii::equal_ignoring_case(name, "connection") ||
         ascii::equal_ignoring_case(name, "transfer-encoding") ||
         ascii::equal_ignoring_case(name, "keep-alive");
}

bool parse_length(std::string_view text, std::uint64_t& length) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

}  // namespace

ServerExchange::ServerExchange(std::shared_ptr<ServerCore> core, ServerConnection* connection,
                               Request request, const Framing& framing)
    : core_(std::move(core)),
      connection_(connection),
      request_(std::move(request)),
      peer_(connection->peer()),
      client_(connection->client_certificates()),
      http10_(framing.http10),
      is_head_(request_.method == "HEAD"),
      keep_alive_(framing.keep_alive) {}

ServerExchange::~ServerExchange() {
  // Dropped without an answer: the client must not wait for ever.
  if (connection_ == nullptr) return;
  if (started_) {
    abort();
  } else {
    respond(500, {}, "the request was dropped without an answer\n");
  }
}

const std::vector<std::string>& ServerExchange::client_certificates() const {
  static const CertificateChain kNone;
  return client_ == nullptr ? kNone : *client_;
}

std::string& ServerExchange::head(int status, const Headers& headers) {
  std::string& out = core_->head_buffer;
  out.assign("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status));
  out.append(" ").append(status_text(status)).append("\r\n");
  bool dated = false;
  for (const auto& [name, value] : headers.all()) {
    if (is_ours(name)) {
      if (list_has(value, "close") && ascii::equal_ignoring_case(name, "connection"))
        keep_alive_ = false;
      continue;
    }
    dated = dated || ascii::equal_ignoring_case(name, "date");
    append_field(out, name, value);
  }
  if (!dated) out.append("Date: ").append(core_->date()).append("\r\n");
  return out;
}

void ServerExchange::end_head(std::string& out) {
  if (core_->draining || core_->parting) keep_alive_ = false;
  if (!keep_alive_) {
    out.append("Connection: close\r\n");
  } else if (http10_) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

void ServerExchange::respond(int status, const Headers& headers, std::string_view body) {
  if (connection_ == nullptr || started_) return;
  started_ = true;
  std::string& out = head(status, headers);
  if (has_no_body(status)) {
    body = {};
  } else {
    std::uint64_t length = body.size();
    // A relayed answer to HEAD names the length of the body it does not carry.
    if (is_head_ && body.empty()) parse_length(headers.get("content-length"), length);
    out.append("Content-Length: ");
    append_number(out, length);
    out.append("\r\n");
  }
  end_head(out);
  connection_->send(out, is_head_ ? std::string_view() : body);
  detach(keep_alive_ ? ServerConnection::Next::kKeepAlive : ServerConnection::Next::kClose);
}

void ServerExchange::start(int status, const Headers& headers) {
  if (connection_ == nullptr || started_) return;
  started_ = true;
  std::string& out = head(status, headers);
  if (has_no_body(status)) {
    kind_ = BodyKind::kNone;
  } else if (parse_length(headers.get("content-length"), left_)) {
    kind_ = BodyKind::kLength;
    out.append("Content-Length: ");
    append_number(out, left_);
    out.append("\r\n");
  } else if (http10_) {
    kind_ = BodyKind::kUntilClose;
    keep_alive_ = false;
  } else {
    kind_ = BodyKind::kChunked;
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (is_head_) kind_ = BodyKind::kNone;
  end_head(out);
  connection_->queue(out);
}

bool ServerExchange::write(std::string_view bytes) {
  if (connection_ == nullptr || !started_ || bytes.empty() || kind_ == BodyKind::kNone) return true;
  if (kind_ == BodyKind::kLength) {
    // More than was promised would be read as the next response.
    if (bytes.size() > left_) {
      abort();
      return true;
    }
    left_ -= bytes.size();
  }
  if (kind_ == BodyKind::kChunked) {
    ChunkLine room;
    connection_->queue(chunk_size_line(bytes.size(), room));
    connection_->queue(bytes);
    connection_->queue("\r\n");
  } else {
    connection_->queue(bytes);
  }
  waits_writable_ = false;  // on_writable never runs inside write()
  if (connection_->unsent() >= ServerConnection::kFlushBytes) connection_->flush();
  waits_writable_ =
      connection_ != nullptr && connection_->unsent() > core_->limits.high_water_bytes;
  return !waits_writable_;
}

void ServerExchange::finish() {
  if (connection_ == nullptr) return;
  if (!started_) return respond(500, {}, "the answer ended before it began\n");
  if (kind_ == BodyKind::kLength && left_ > 0) return abort();
  if (kind_ == BodyKind::kChunked) connection_->queue("0\r\n\r\n");
  detach(keep_alive_ ? ServerConnection::Next::kKeepAlive : ServerConnection::Next::kClose);
}

void ServerExchange::abort() {
  if (connection_ == nullptr) return;
  on_closed_ = nullptr;  // not the client's doing
  waits_writable_ = false;
  connection_->flush();  // what was written before goes out as far as it can
  if (connection_ == nullptr) return;
  connection_->break_off(kind_ == BodyKind::kUntilClose ? ServerConnection::Break::kReset
                                                        : ServerConnection::Break::kClose);
}

void ServerExchange::detach(ServerConnection::Next next) {
  if (connection_ == nullptr) return;   // sending found the connection dead
  auto self = weak_from_this().lock();  // the callbacks may hold the last pointer to this
  ServerConnection* connection = connection_;
  connection_ = nullptr;
  on_closed_ = nullptr;
  on_writable_ = nullptr;
  connection->response_done(next);
}

void ServerExchange::on_closed(std::function<void()> callback) {
  if (connection_ == nullptr && !closed_) return;  // finished
  on_closed_ = std::move(callback);
  if (closed_) announce_closed();
}

void ServerExchange::on_writable(std::function<void()> callback) {
  if (connection_ != nullptr) on_writable_ = std::move(callback);
}

void ServerExchange::announce_closed() {
  if (!on_closed_ || core_->shut) return;
  // Later, never from inside a call on this object.
  core_->loop.defer([core = core_, callback = std::move(on_closed_)] {
    if (!core->shut) callback();
  });
  on_closed_ = nullptr;
}

void ServerExchange::connection_closed() {
  auto self = weak_from_this().lock();  // the callbacks may hold the last pointer to this
  connection_ = nullptr;
  closed_ = true;
  announce_closed();
  on_closed_ = nullptr;
  on_writable_ = nullptr;
}

void ServerExchange::connection_writable() {
  if (!waits_writable_ || !on_writable_) return;
  waits_writable_ = false;
  auto callback = on_writable_;
  callback();
}

}  // namespace tidegate::net::http1
