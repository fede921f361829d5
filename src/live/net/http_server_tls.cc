// ServerConnection over TLS: what is read is decrypted before it is taken, what is sent is
// encrypted when it leaves.
#include <sys/socket.h>

#include "live/net/http_server_core.h"

namespace tidegate::net::http1 {
namespace {

/// As Go's servers do: the one mistake everybody makes gets a word instead of a broken connection.
constexpr std::string_view kSpeakTls =
    "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    "this port speaks TLS: use https://\n";

bool is_plain_http(std::string_view bytes) {
  for (std::string_view method : {"GET /", "HEAD /", "POST /", "PUT /", "OPTIONS ", "DELETE /"}) {
    if (bytes.starts_with(method)) return true;
  }
  return false;
}

}  // namespace

void ServerConnection::take_sealed(std::string_view bytes) {
  seal();  // records go out in the order they are made
  bool first = phase_ == Phase::kHandshake;
  std::string& plain = core_->plain_buffer;
  plain.clear();
  TlsStream::State state = tls_->receive(bytes, plain, out_);
  sealed_ = out_.size();
  if (state == TlsStream::State::kFailed) {
    if (first && is_plain_http(bytes)) out_.assign(kSpeakTls);
    sealed_ = out_.size();
    // The alert goes out, and the peer's last bytes are read so that a reset does not wipe it out.
    phase_ = Phase::kFlushing;
    close_after_ = true;
    return flush();
  }
  if (first && state != TlsStream::State::kHandshake) handshake_done();
  if (unsent() > 0) flush();
  if (phase_ == Phase::kClosed) return;
  if (!plain.empty()) take(plain);
  if (state != TlsStream::State::kEnded) return;
  if (phase_ == Phase::kFlushing) {
    close_after_ = true;  // it may still want the answer
  } else if (phase_ != Phase::kLinger) {
    close();
  }
}

void ServerConnection::handshake_done() {
  phase_ = Phase::kHead;
  deadline_.set(core_->loop.now() + core_->limits.idle_timeout);
  CertificateChain chain = tls_->peer_chain();
  if (!chain.empty()) client_ = std::make_shared<const CertificateChain>(std::move(chain));
  if (core_->draining) close();
}

void ServerConnection::seal() {
  if (sealed_ == out_.size()) return;
  core_->clear_buffer.assign(out_, sealed_);
  out_.resize(sealed_);
  tls_->send(core_->clear_buffer, out_);
  sealed_ = out_.size();
}

void ServerConnection::say_end() {
  std::string goodbye;
  tls_->end(goodbye);
  if (!goodbye.empty()) ::send(fd_, goodbye.data(), goodbye.size(), MSG_NOSIGNAL);
}

}  // namespace tidegate::net::http1
