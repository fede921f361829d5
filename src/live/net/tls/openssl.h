#pragma once
// OpenSSL's objects with owners, and its errors as text. Inside this folder only. Thread-safety: as
// OpenSSL's.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "live/net/tls/certificates.h"

namespace tidegate::net {

template <auto Free>
struct FreedBy {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BioPtr = std::unique_ptr<BIO, FreedBy<&BIO_free>>;
using X509Ptr = std::unique_ptr<X509, FreedBy<&X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<&EVP_PKEY_free>>;
using SslPtr = std::unique_ptr<SSL, FreedBy<&SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, FreedBy<&SSL_CTX_free>>;

inline void free_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }
using X509StackPtr = std::unique_ptr<STACK_OF(X509), FreedBy<&free_stack>>;

inline BioPtr read_from(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}
std::string contents(BIO* memory);
std::string to_der(const X509& certificate);

/// The first thing that went wrong, in OpenSSL's words; empties its queue.
std::string openssl_error();

/// Every certificate of a PEM text; at least one, at most CaSet::kMaxCertificates.
Result<std::vector<X509Ptr>> read_certificates(std::string_view pem);

}  // namespace tidegate::net
