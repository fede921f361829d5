#pragma once
// Strong integer types: counts and ids that do not mix.
//
//   Tokens prompt{500}; Replicas n{3};   // n = prompt does not compile
//   std::int64_t raw = prompt.value();

#include <compare>
#include <cstdint>
#include <functional>

namespace tidegate {

/// A count: adds, subtracts and compares with its own kind only.
template <class Tag>
class Count {
 public:
  constexpr Count() = default;
  explicit constexpr Count(std::int64_t v) : value_(v) {}
  constexpr std::int64_t value() const { return value_; }
  constexpr auto operator<=>(const Count&) const = default;
  friend constexpr Count operator+(Count a, Count b) { return Count(a.value_ + b.value_); }
  friend constexpr Count operator-(Count a, Count b) { return Count(a.value_ - b.value_); }
  friend constexpr Count operator*(Count a, std::int64_t k) { return Count(a.value_ * k); }
  constexpr Count& operator+=(Count o) {
    value_ += o.value_;
    return *this;
  }
  constexpr Count& operator-=(Count o) {
    value_ -= o.value_;
    return *this;
  }

 private:
  std::int64_t value_ = 0;
};

/// An identity: compares and hashes, never adds. Zero means "none".
template <class Tag>
class Id {
 public:
  constexpr Id() = default;
  explicit constexpr Id(std::uint64_t v) : value_(v) {}
  constexpr std::uint64_t value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  std::uint64_t value_ = 0;
};

using Tokens = Count<struct TokensTag>;
using Replicas = Count<struct ReplicasTag>;
using Requests = Count<struct RequestsTag>;
using Bytes = Count<struct BytesTag>;
using RequestId = Id<struct RequestIdTag>;
using ReplicaId = Id<struct ReplicaIdTag>;

}  // namespace tidegate

template <class Tag>
struct std::hash<tidegate::Id<Tag>> {
  std::size_t operator()(tidegate::Id<Tag> id) const noexcept {
    return static_cast<std::size_t>(id.value() * 0x9E3779B97F4A7C15ULL);
  }
};
