#pragma once
// For tests: the client's end of TLS without a socket, with every liberty a client may take.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "live/net/tls/openssl.h"

namespace tidegate::net {

struct TestTlsWish {
  int least = TLS1_2_VERSION, most = TLS1_3_VERSION;
  std::string protocols;  ///< ALPN, as on the wire: "\x02h2"
  KeyPair pair;           ///< shown where asked for
};

class TestTlsClient {
 public:
  explicit TestTlsClient(const TestTlsWish& wish = {})
      : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), wish.least);
    SSL_CTX_set_max_proto_version(context_.get(), wish.most);
    SSL_CTX_set_security_level(context_.get(), 0);
    if (!wish.pair.certificate_pem.empty()) show(wish.pair);
    ssl_.reset(SSL_new(context_.get()));
    if (!wish.protocols.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wish.protocols.data()),
                          static_cast<unsigned>(wish.protocols.size()));
    }
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
    SSL_do_handshake(ssl_.get());
  }

  /// What there is to send.
  std::string take() {
    std::string bytes = contents(out_);
    BIO_reset(out_);
    return bytes;
  }
  void receive(std::string_view bytes) {
    ERR_clear_error();
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    if (!SSL_is_init_finished(ssl_.get())) {
      int done = SSL_do_handshake(ssl_.get());
      if (done != 1) return note(done);
    }
    char piece[4096];
    int n = 0;
    while ((n = SSL_read(ssl_.get(), piece, sizeof piece)) > 0) {
      in.append(piece, static_cast<std::size_t>(n));
    }
    note(n);
  }
  void send(std::string_view bytes) {
    if (SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0) failed = true;
  }
  void end() { SSL_shutdown(ssl_.get()); }
  bool open() const { return SSL_is_init_finished(ssl_.get()) == 1 && !failed; }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  std::string server_name() const {
    X509Ptr leaf(SSL_get1_peer_certificate(ssl_.get()));
    char text[256] = "";
    if (leaf != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(leaf.get()), NID_commonName, text,
                                sizeof text);
    }
    return text;
  }
  SSL* ssl() { return ssl_.get(); }

  std::string in;
  bool ended = false;   ///< the server said that it sends no more
  bool failed = false;  ///< an alert, or nonsense
  std::string error;

 private:
  void show(const KeyPair& pair) {
    auto chain = read_certificates(pair.certificate_pem).value();
    BioPtr key = read_from(pair.key_pem);
    KeyPtr secret(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context_.get(), chain[0].get());
    SSL_CTX_use_PrivateKey(context_.get(), secret.get());
    for (std::size_t i = 1; i < chain.size(); ++i) {
      SSL_CTX_add1_chain_cert(context_.get(), chain[i].get());
    }
  }
  void note(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_ZERO_RETURN:
        ended = true;
        break;
      case SSL_ERROR_SSL:
        failed = true;
        error = openssl_error();
        break;
      default:
        break;
    }
  }

  SslContextPtr context_;
  SslPtr ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

}  // namespace tidegate::net
