#pragma once
// Digest: FNV-1a over the bits of values; a struct is walked by its fields(). Two runs that differ
// in the last bit of one double differ here.
//
//   Digest d;
//   d.add(actions);
//   std::printf("%016llx\n", d.value());

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/base/time.h"

namespace tidegate::bits {

class Digest {
 public:
  void add(double v) { word(std::bit_cast<std::uint64_t>(v)); }
  void add(std::string_view v) {
    word(v.size());
    for (char c : v) word(static_cast<unsigned char>(c));
  }
  template <class T>
  requires(std::integral<T> || std::is_enum_v<T>) void add(T v) {
    word(static_cast<std::uint64_t>(v));
  }
  void add(Instant v) { add(v.nanos()); }
  void add(WallTime v) { add(v.unix_nanos()); }
  void add(Duration v) { add(v.count()); }
  template <class Tag>
  void add(Count<Tag> v) {
    add(v.value());
  }
  template <class Tag>
  void add(Id<Tag> v) {
    add(v.value());
  }
  template <class T>
  void add(const std::optional<T>& v) {
    word(v.has_value());
    if (v) add(*v);
  }
  template <class T>
  void add(const std::vector<T>& v) {
    word(v.size());
    for (const T& one : v) add(one);
  }
  template <class... T>
  void add(const std::variant<T...>& v) {
    word(v.index());
    std::visit([this](const auto& one) { this->add(one); }, v);
  }
  template <HasFields T>
  void add(const T& v) {
    for_each_field(v, [this](std::string_view, const auto& member) { this->add(member); });
  }
  std::uint64_t value() const { return hash_; }

 private:
  void word(std::uint64_t w) {
    for (int i = 0; i < 8; ++i) {
      hash_ = (hash_ ^ (w & 0xff)) * 0x100000001b3ULL;
      w >>= 8;
    }
  }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace tidegate::bits
