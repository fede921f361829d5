#include "live/net/tls/tls_server.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "live/net/tls/openssl.h"

namespace tidegate::net {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr char kProtocol[] = "\x08http/1.1";
/// Forward secrecy and authenticated encryption; TLS 1.3 has no others.
constexpr char kCiphers12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  // OpenSSL's own picker falls back to the client's first: RFC 7301 wants a refusal.
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, size, reinterpret_cast<const unsigned char*>(kProtocol),
                            sizeof kProtocol - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

/// Every certificate is taken in; whom it speaks for is checked for each request.
int take_any(X509_STORE_CTX*, void*) { return 1; }

void configure(SSL_CTX* context, AskClient ask) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cipher_list(context, kCiphers12);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_max_cert_list(context, static_cast<long>(TlsServer::kMaxPeerChain));
  if (ask == AskClient::kNo) return;
  // No list of CAs goes out: it would keep a client from showing a certificate of another one.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, take_any, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(path + ": " + strerror(errno));
  std::ostringstream all;
  all << in.rdbuf();
  std::string text = all.str();
  if (text.size() > kMaxFileBytes) return fail(path + ": over 1 MiB");
  return text;
}

Result<SslContextPtr> make_context(const KeyPair& pair, AskClient ask) {
  auto chain = read_certificates(pair.certificate_pem);
  if (!chain) return fail(chain.error().within("certificate"));
  BioPtr bio = read_from(pair.key_pem);
  // No prompt for a passphrase: a server has nobody to ask.
  auto no_passphrase = [](char*, int, int, void*) { return 0; };
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return fail("key: no PEM private key without a passphrase in it");
  SslContextPtr out(SSL_CTX_new(TLS_server_method()));
  configure(out.get(), ask);
  if (SSL_CTX_use_certificate(out.get(), chain->front().get()) != 1) {
    return fail("certificate: " + openssl_error());
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(out.get(), (*chain)[i].get()) != 1) {
      return fail("certificate " + std::to_string(i + 1) + ": " + openssl_error());
    }
  }
  if (SSL_CTX_use_PrivateKey(out.get(), key.get()) != 1) {
    return fail("the key is not the certificate's: " + openssl_error());
  }
  return out;
}

}  // namespace

struct TlsServer::Context {
  SslContextPtr ssl;
};

struct TlsStream::Session {
  SslPtr ssl;
  BIO* in = nullptr;  // both belong to ssl
  BIO* out = nullptr;

  /// What OpenSSL wants sent.
  void drain(std::string& wire) const {
    char* data = nullptr;
    long size = BIO_get_mem_data(out, &data);
    if (size <= 0) return;
    wire.append(data, static_cast<std::size_t>(size));
    BIO_reset(out);
  }
};

TlsServer::TlsServer(TlsOptions options) : options_(std::move(options)) {}
TlsServer::~TlsServer() = default;

Result<std::shared_ptr<TlsServer>> TlsServer::create(TlsOptions options) {
  std::shared_ptr<TlsServer> out(new TlsServer(std::move(options)));
  out->stamps_ = out->stamps();
  if (auto done = out->load(); !done) return fail(done.error().within("TLS"));
  return out;
}

Result<void> TlsServer::load() {
  KeyPair pair = options_.pair;
  std::string names;
  if (!options_.certificate_file.empty()) {
    auto certificate = read_file(options_.certificate_file);
    if (!certificate) return fail(certificate.error());
    auto key = read_file(options_.key_file);
    if (!key) return fail(key.error());
    pair = {std::move(*certificate), std::move(*key)};
    names = options_.certificate_file + ", " + options_.key_file;
  }
  auto made = make_context(pair, options_.ask);
  if (!made) return fail(names.empty() ? made.error() : made.error().within(names));
  context_ = std::make_unique<Context>(Context{std::move(*made)});
  certificate_pem_ = std::move(pair.certificate_pem);
  return {};
}

std::string TlsServer::stamps() const {
  std::string out;
  for (const std::string* path : {&options_.certificate_file, &options_.key_file}) {
    struct stat s {};
    if (path->empty() || stat(path->c_str(), &s) != 0) continue;
    out += std::to_string(s.st_ino) + ' ' + std::to_string(s.st_size) + ' ' +
           std::to_string(s.st_mtim.tv_sec) + '.' + std::to_string(s.st_mtim.tv_nsec) + ';';
  }
  return out;
}

Result<TlsServer::Look> TlsServer::look(Instant now) {
  if (options_.certificate_file.empty() || now - looked_ < kLookPeriod) return Look::kSame;
  looked_ = now;
  std::string seen = stamps();
  if (seen == stamps_) return Look::kSame;
  stamps_ = std::move(seen);
  if (auto done = load(); !done) return fail(done.error());
  return Look::kReadAgain;
}

std::unique_ptr<TlsStream> TlsServer::accept() {
  auto session = std::make_unique<TlsStream::Session>();
  session->ssl.reset(SSL_new(context_->ssl.get()));
  session->in = BIO_new(BIO_s_mem());
  session->out = BIO_new(BIO_s_mem());
  SSL_set_bio(session->ssl.get(), session->in, session->out);
  SSL_set_accept_state(session->ssl.get());
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(session)));
}

TlsStream::TlsStream(std::unique_ptr<Session> session) : session_(std::move(session)) {}
TlsStream::~TlsStream() = default;

TlsStream::State TlsStream::receive(std::string_view bytes, std::string& plain, std::string& wire) {
  if (state_ == State::kFailed || state_ == State::kEnded) return state_;
  ERR_clear_error();
  SSL* ssl = session_->ssl.get();
  BIO_write(session_->in, bytes.data(), static_cast<int>(bytes.size()));
  if (state_ == State::kHandshake) {
    int done = SSL_do_handshake(ssl);
    session_->drain(wire);
    if (done != 1) {
      if (SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ) return state_;
      return failed(wire);
    }
    state_ = State::kOpen;
  }
  char piece[16 << 10];
  for (;;) {
    int n = SSL_read(ssl, piece, sizeof piece);
    if (n > 0) {
      plain.append(piece, static_cast<std::size_t>(n));
      continue;
    }
    session_->drain(wire);
    int why = SSL_get_error(ssl, n);
    if (why == SSL_ERROR_WANT_READ) return state_;
    if (why == SSL_ERROR_ZERO_RETURN) return state_ = State::kEnded;
    return failed(wire);
  }
}

TlsStream::State TlsStream::failed(std::string& wire) {
  error_ = openssl_error();
  session_->drain(wire);
  return state_ = State::kFailed;
}

void TlsStream::send(std::string_view plain, std::string& wire) {
  if (state_ != State::kOpen && state_ != State::kEnded) return;
  ERR_clear_error();
  while (!plain.empty()) {
    int piece = static_cast<int>(std::min<std::size_t>(plain.size(), 1 << 20));
    int n = SSL_write(session_->ssl.get(), plain.data(), piece);
    if (n <= 0) {  // memory takes everything: only a broken state ends here
      failed(wire);
      return;
    }
    session_->drain(wire);
    plain.remove_prefix(static_cast<std::size_t>(n));
  }
}

void TlsStream::end(std::string& wire) {
  if (state_ != State::kOpen && state_ != State::kEnded) return;
  ERR_clear_error();
  SSL_shutdown(session_->ssl.get());
  ERR_clear_error();
  session_->drain(wire);
}

CertificateChain TlsStream::peer_chain() const {
  CertificateChain out;
  X509Ptr leaf(SSL_get1_peer_certificate(session_->ssl.get()));
  if (leaf == nullptr) return out;
  out.push_back(to_der(*leaf));
  STACK_OF(X509)* others = SSL_get_peer_cert_chain(session_->ssl.get());  // without the leaf
  for (int i = 0; others != nullptr && i < sk_X509_num(others); ++i) {
    out.push_back(to_der(*sk_X509_value(others, i)));
  }
  return out;
}

}  // namespace tidegate::net
