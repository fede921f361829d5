#pragma once
// Certificates: whom we trust, who a client is by what it showed, and one of our own where none is
// given.
//
//   auto cas = CaSet::parse(pem);
//   auto who = client_subject(exchange.client_certificates(), *cas, WorldClock::wall_now());
//
// A client certificate counts if its chain ends at one of the set, each of it is valid at `now`,
// and it may be used by clients. As in Go, any certificate of the set is an anchor, also an
// intermediate one. Revocation is not asked for. Thread-safety: values and pure functions. Source:
// RFC 5280.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"

namespace tidegate::net {

/// What a peer showed, leaf first, each in DER.
using CertificateChain = std::vector<std::string>;

/// Certificates to trust.
class CaSet {
 public:
  static constexpr std::size_t kMaxCertificates = 512;
  CaSet() = default;  ///< trusts nobody
  /// PEM, one or more; an error says which one is none.
  static Result<CaSet> parse(std::string_view pem);
  std::size_t size() const { return size_; }

 private:
  friend struct CaSetAccess;
  std::shared_ptr<void> store_;
  std::size_t size_ = 0;
};

struct Subject {
  std::string common_name;
  std::vector<std::string> organizations;
  bool operator==(const Subject&) const = default;
};

/// Who the leaf speaks of, if the set vouches for it; an error says why not.
Result<Subject> client_subject(const CertificateChain& chain, const CaSet& trusted, WallTime now);

/// A certificate with its private key, both PEM.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

/// A server's certificate (P-256) that vouches for itself, for these DNS names and IP addresses.
Result<KeyPair> self_signed(const std::vector<std::string>& names, WallTime from, WallTime until);

/// True if `certificate_pem` is valid at `at` and stands for every one of `names`.
bool stands_for(std::string_view certificate_pem, const std::vector<std::string>& names,
                WallTime at);

}  // namespace tidegate::net
