#include "live/net/tls/digest.h"

#include <openssl/evp.h>

#include "core/base/check.h"

namespace tidegate::net {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const EVP_MD* algorithm;
  explicit State(const EVP_MD* md) : algorithm(md) { TIDEGATE_CHECK(context != nullptr); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Digest::Digest(DigestKind kind)
    : state_(std::make_unique<State>(kind == DigestKind::kSha256 ? EVP_sha256() : EVP_sha1())) {
  reset();
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::reset() {
  TIDEGATE_CHECK(EVP_DigestInit_ex(state_->context, state_->algorithm, nullptr) == 1);
}

void Digest::update(std::string_view bytes) {
  TIDEGATE_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  TIDEGATE_CHECK(EVP_DigestFinal_ex(state_->context, raw, &size) == 1);
  reset();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kDigits[raw[i] >> 4];
    out += kDigits[raw[i] & 15];
  }
  return out;
}

}  // namespace tidegate::net
