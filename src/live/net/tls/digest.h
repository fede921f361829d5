#pragma once
// Digest: SHA-256 or SHA-1 of bytes that come in pieces, by OpenSSL (with the processor's own
// instructions where it has them).
//
//   Digest sum(DigestKind::kSha256);
//   sum.update(bytes);
//   std::string text = sum.hex();      // 64 lower-case digits; then it starts anew
//
// SHA-1 names objects of git repositories; it proves nothing against somebody who means harm.
// Thread-safety: one owner.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tidegate::net {

enum class DigestKind : std::uint8_t { kSha256, kSha1 };

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::string_view bytes);
  std::string hex();
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::net
