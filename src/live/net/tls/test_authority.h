#pragma once
// For tests: a CA made on the spot, and certificates it issues.
//
//   TestAuthority ca("front-proxy-ca", now);
//   KeyPair proxy = ca.issue({.common_name = "front-proxy-client"});

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "live/net/tls/openssl.h"

namespace tidegate::net {

/// As a peer shows it.
inline CertificateChain chain_of(const std::string& pem) {
  auto certificates = read_certificates(pem).value();
  CertificateChain out;
  for (const X509Ptr& one : certificates) out.push_back(to_der(*one));
  return out;
}

class TestAuthority {
 public:
  struct Wish {
    std::string common_name;
    std::vector<std::string> organizations;
    std::string names;  ///< "DNS:localhost,IP:127.0.0.1"
    std::string usage = "clientAuth,serverAuth";
    Duration from = seconds(-3600), until = seconds(3600);  ///< from `now`
    bool ca = false;
  };

  TestAuthority(const std::string& name, WallTime now) : TestAuthority(name, now, nullptr) {}
  /// One that `parent` vouches for.
  TestAuthority(const std::string& name, WallTime now, const TestAuthority* parent)
      : now_(now), key_(EVP_EC_gen("P-256")) {
    certificate_ =
        make({.common_name = name, .ca = true}, *key_, parent == nullptr ? this : parent);
  }

  std::string pem() const { return pem_of(*certificate_); }
  KeyPair issue(const Wish& wish) const {
    KeyPtr key(EVP_EC_gen("P-256"));
    X509Ptr made = make(wish, *key, this);
    BioPtr secret(BIO_new(BIO_s_mem()));
    EXPECT_EQ(
        PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
        1);
    return {pem_of(*made), contents(secret.get())};
  }

 private:
  static std::string pem_of(X509& certificate) {
    BioPtr out(BIO_new(BIO_s_mem()));
    EXPECT_EQ(PEM_write_bio_X509(out.get(), &certificate), 1);
    return contents(out.get());
  }
  static void extend(X509& to, int nid, const std::string& value) {
    X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    ASSERT_NE(made, nullptr) << value;
    X509_add_ext(&to, made, -1);
    X509_EXTENSION_free(made);
  }
  static void entry(X509& to, const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(&to), field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
  }
  X509Ptr make(const Wish& wish, EVP_PKEY& key, const TestAuthority* signer) const {
    static long serial = 1;
    X509Ptr out(X509_new());
    X509_set_version(out.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
    ASN1_TIME_set(X509_getm_notBefore(out.get()), (now_ + wish.from).unix_nanos() / 1'000'000'000);
    ASN1_TIME_set(X509_getm_notAfter(out.get()), (now_ + wish.until).unix_nanos() / 1'000'000'000);
    entry(*out, "CN", wish.common_name);
    for (const std::string& one : wish.organizations) entry(*out, "O", one);
    X509* issuer = signer->certificate_ == nullptr ? out.get() : signer->certificate_.get();
    X509_set_issuer_name(out.get(), X509_get_subject_name(issuer));
    X509_set_pubkey(out.get(), &key);
    extend(*out, NID_basic_constraints, wish.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!wish.ca) extend(*out, NID_ext_key_usage, wish.usage);
    if (!wish.names.empty()) extend(*out, NID_subject_alt_name, wish.names);
    EXPECT_GT(X509_sign(out.get(), signer->key_.get(), EVP_sha256()), 0);
    return out;
  }

  WallTime now_;
  KeyPtr key_;
  X509Ptr certificate_;
};

}  // namespace tidegate::net
