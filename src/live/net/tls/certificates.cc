#include "live/net/tls/certificates.h"

#include <algorithm>

#include "live/net/tls/openssl.h"

namespace tidegate::net {

struct CaSetAccess {
  static X509_STORE* store(const CaSet& set) { return static_cast<X509_STORE*>(set.store_.get()); }
};

namespace {

/// As many as stand between a leaf and its anchor, at most.
constexpr int kMaxDepth = 10;

constexpr std::int64_t to_unix(WallTime at) { return at.unix_nanos() / 1'000'000'000; }

std::string utf8(const ASN1_STRING* text) {
  unsigned char* bytes = nullptr;
  int size = ASN1_STRING_to_UTF8(&bytes, text);
  if (size < 0) return "";
  std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

std::vector<std::string> entries(const X509_NAME& name, int nid) {
  std::vector<std::string> out;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(&name, nid, at)) >= 0;) {
    out.push_back(utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(&name, at))));
  }
  return out;
}

Subject subject_of(const X509& leaf) {
  const X509_NAME& name = *X509_get_subject_name(&leaf);
  Subject out;
  auto names = entries(name, NID_commonName);
  if (!names.empty()) out.common_name = names.back();
  out.organizations = entries(name, NID_organizationName);
  return out;
}

X509Ptr from_der(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  return X509Ptr(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
}

bool add_extension(X509& to, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &to, &to, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, FreedBy<&X509_EXTENSION_free>> made(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return made != nullptr && X509_add_ext(&to, made.get(), -1) == 1;
}

bool is_address(const std::string& name) {
  std::unique_ptr<ASN1_OCTET_STRING, FreedBy<&ASN1_OCTET_STRING_free>> parsed(
      a2i_IPADDRESS(name.c_str()));
  ERR_clear_error();
  return parsed != nullptr;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
  }
  return out;
}

bool fill(X509& made, EVP_PKEY& key, const std::vector<std::string>& names, WallTime from,
          WallTime until) {
  std::unique_ptr<BIGNUM, FreedBy<&BN_free>> serial(BN_new());
  X509_NAME* name = X509_get_subject_name(&made);
  const auto* common = reinterpret_cast<const unsigned char*>("tidegate");
  return X509_set_version(&made, X509_VERSION_3) == 1 &&
         BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&made)) != nullptr &&
         ASN1_TIME_set(X509_getm_notBefore(&made), to_unix(from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(&made), to_unix(until)) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
         X509_set_issuer_name(&made, name) == 1 && X509_set_pubkey(&made, &key) == 1 &&
         add_extension(made, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(made, NID_key_usage, "critical,digitalSignature") &&
         add_extension(made, NID_ext_key_usage, "serverAuth") &&
         add_extension(made, NID_subject_alt_name, alternative_names(names)) &&
         X509_sign(&made, &key, EVP_sha256()) > 0;
}

}  // namespace

std::string contents(BIO* memory) {
  char* data = nullptr;
  long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_der(const X509& certificate) {
  unsigned char* bytes = nullptr;
  int size = i2d_X509(&certificate, &bytes);
  if (size <= 0) return "";
  std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

std::string openssl_error() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "an unknown error of OpenSSL" : reason;
}

Result<std::vector<X509Ptr>> read_certificates(std::string_view pem) {
  std::vector<X509Ptr> out;
  BioPtr bio = read_from(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    out.emplace_back(one);
    if (out.size() > CaSet::kMaxCertificates) {
      return fail("more than " + std::to_string(CaSet::kMaxCertificates) + " certificates");
    }
  }
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string why = openssl_error();
  if (!at_end) {
    return fail("certificate " + std::to_string(out.size() + 1) + " cannot be read: " + why);
  }
  if (out.empty()) return fail("no PEM certificate in it (-----BEGIN CERTIFICATE-----)");
  return out;
}

Result<CaSet> CaSet::parse(std::string_view pem) {
  auto all = read_certificates(pem);
  if (!all) return fail(all.error());
  CaSet out;
  out.store_ = std::shared_ptr<void>(
      X509_STORE_new(), [](void* store) { X509_STORE_free(static_cast<X509_STORE*>(store)); });
  out.size_ = all->size();
  for (const X509Ptr& one : *all) X509_STORE_add_cert(CaSetAccess::store(out), one.get());
  return out;
}

Result<Subject> client_subject(const CertificateChain& chain, const CaSet& trusted, WallTime now) {
  if (chain.empty()) return fail("no client certificate");
  X509_STORE* store = CaSetAccess::store(trusted);
  if (store == nullptr) return fail("no CA is trusted for client certificates");
  X509StackPtr others(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    X509Ptr one = from_der(chain[i]);
    if (one != nullptr) sk_X509_push(others.get(), one.release());
  }
  X509Ptr leaf = from_der(chain.front());
  if (leaf == nullptr) return fail("the client certificate cannot be read: " + openssl_error());
  std::unique_ptr<X509_STORE_CTX, FreedBy<&X509_STORE_CTX_free>> check(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(check.get(), store, leaf.get(), others.get()) != 1) {
    return fail(openssl_error());
  }
  X509_VERIFY_PARAM* how = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_depth(how, kMaxDepth);
  X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_time(how, to_unix(now));
  int verdict = X509_verify_cert(check.get());
  ERR_clear_error();
  if (verdict == 1) return subject_of(*leaf);
  return fail("client certificate \"" + subject_of(*leaf).common_name +
              "\": " + X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get())));
}

Result<KeyPair> self_signed(const std::vector<std::string>& names, WallTime from, WallTime until) {
  KeyPtr key(EVP_EC_gen("P-256"));
  X509Ptr made(X509_new());
  BioPtr certificate(BIO_new(BIO_s_mem()));
  BioPtr secret(BIO_new(BIO_s_mem()));
  const bool done =
      key != nullptr && fill(*made, *key, names, from, until) &&
      PEM_write_bio_X509(certificate.get(), made.get()) == 1 &&
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!done) return fail("cannot make a certificate: " + openssl_error());
  return KeyPair{contents(certificate.get()), contents(secret.get())};
}

bool stands_for(std::string_view certificate_pem, const std::vector<std::string>& names,
                WallTime at) {
  auto chain = read_certificates(certificate_pem);
  if (!chain) return false;
  X509* leaf = chain->front().get();
  std::time_t when = to_unix(at);
  if (X509_cmp_time(X509_get0_notBefore(leaf), &when) > 0 ||
      X509_cmp_time(X509_get0_notAfter(leaf), &when) < 0) {
    return false;
  }
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return is_address(name) ? X509_check_ip_asc(leaf, name.c_str(), 0) == 1
                            : X509_check_host(leaf, name.data(), name.size(), 0, nullptr) == 1;
  });
}

}  // namespace tidegate::net
