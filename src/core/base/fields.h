#pragma once
// Fields: a value type lists its members once; every codec (JSON, MessagePack, tape) walks it.
//
//   struct Arrived {
//     static constexpr std::string_view kType = "Arrived";   // only for members of a std::variant
//     RequestId id; Tokens prompt;
//     static constexpr auto fields(auto...) {
//       return std::tuple(Field{"id", &Arrived::id}, Field{"prompt", &Arrived::prompt});
//     }
//   };
//
// `auto...` makes it a template: only what walks the fields pays for compiling the tuple (it was
// two thirds of the time every unit that includes the controller took).
//
// An enum lists its tokens in order of value (dense, from 0):
//   template <> struct EnumTokens<Mode> {
//     static constexpr std::string_view kTokens[] = {"observe", ...};
//   };
//
// A member that is absent when decoding keeps its default, so a field may be added without breaking
// old records; renaming one breaks them.

#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <tuple>

namespace tidegate {

template <class Owner, class Member>
struct Field {
  std::string_view name;
  Member Owner::*member;
};
template <class Owner, class Member>
Field(const char*, Member Owner::*) -> Field<Owner, Member>;

template <class T>
concept HasFields = requires {
  T::fields();
};

template <class E>
struct EnumTokens;  // specialise with kTokens

template <class E>
concept HasTokens = requires {
  EnumTokens<E>::kTokens;
};

/// The stable token of an enum value, the same in JSON, metrics, logs and the dashboard.
template <HasTokens E>
constexpr std::string_view token(E value) {
  auto index = static_cast<std::size_t>(value);
  return index < std::size(EnumTokens<E>::kTokens) ? EnumTokens<E>::kTokens[index]
                                                   : std::string_view("invalid");
}
template <HasTokens E>
constexpr std::optional<E> from_token(std::string_view text) {
  for (std::size_t i = 0; i < std::size(EnumTokens<E>::kTokens); ++i) {
    if (EnumTokens<E>::kTokens[i] == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

/// Calls f(name, member) for each field of `value`.
template <HasFields T, class F>
constexpr void for_each_field(T& value, F&& f) {
  std::apply([&](const auto&... field) { (f(field.name, value.*(field.member)), ...); },
             std::remove_const_t<T>::fields());
}

}  // namespace tidegate
