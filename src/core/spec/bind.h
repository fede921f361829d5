#pragma once
// Bindings: from a pointer to member to a row of the option table (private to core/spec).
//
//   constexpr Option kRows[] = {option<&Queue::max_requests>("maxRequests").between(1,
//   1e7).says("...")}; constexpr Section kQueue{"queue", "...", kRows, defaults_of<Queue>};

#include <type_traits>
#include <utility>

#include "core/base/fields.h"
#include "core/base/strong.h"
#include "core/spec/options.h"

namespace tidegate::spec {

/// Limits of options that are times, in seconds.
constexpr double kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kYear = 366 * kDay;

template <class T>
struct Unwrap {
  using type = T;
  static constexpr bool kOptional = false;
};
template <class T>
struct Unwrap<std::optional<T>> {
  using type = T;
  static constexpr bool kOptional = true;
};
template <class T>
struct IsList : std::false_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};

template <class T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, std::string>)
    return Kind::kString;
  else if constexpr (std::is_same_v<T, bool>)
    return Kind::kBool;
  else if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, Replicas>)
    return Kind::kInteger;
  else if constexpr (std::is_same_v<T, double>)
    return Kind::kNumber;
  else if constexpr (std::is_same_v<T, Duration>)
    return Kind::kDuration;
  else if constexpr (std::is_enum_v<T>)
    return Kind::kEnum;
  else if constexpr (std::is_same_v<T, Spread>)
    return Kind::kSpread;
  else if constexpr (std::is_same_v<T, LatencyBound>)
    return Kind::kPercentile;
  else if constexpr (std::is_same_v<T, std::vector<std::string>>)
    return Kind::kStringList;
  else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>)
    return Kind::kStringMap;
  else if constexpr (IsList<T>::value)
    return Kind::kObjectList;
  else
    return Kind::kObject;
}

/// A Value of the wrong alternative leaves the member as it is: the reader types by Kind, so it
/// cannot be.
template <class T>
void store(T& member, const Value& value) {
  if constexpr (Unwrap<T>::kOptional) {
    typename Unwrap<T>::type inner{};
    store(inner, value);
    member = std::move(inner);
  } else if constexpr (std::is_same_v<T, Replicas>) {
    if (auto* v = std::get_if<std::int64_t>(&value)) member = Replicas(*v);
  } else if constexpr (std::is_enum_v<T>) {
    if (auto* v = std::get_if<std::string>(&value)) member = from_token<T>(*v).value_or(member);
  } else {
    if (auto* v = std::get_if<T>(&value)) member = *v;
  }
}

template <class T>
Value load(const T& member) {
  if constexpr (Unwrap<T>::kOptional) {
    return member ? load(*member) : Value{};
  } else if constexpr (std::is_same_v<T, Replicas>) {
    return member.value();
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(token(member));
  } else {
    return member;
  }
}

template <auto Member>
struct Bound;
template <class Owner, class T, T Owner::*Member>
struct Bound<Member> {
  using Inner = typename Unwrap<T>::type;
  static T& of(void* owner) { return static_cast<Owner*>(owner)->*Member; }
  static const T& of(const void* owner) { return static_cast<const Owner*>(owner)->*Member; }

  static void set(void* owner, const Value& value) { store(of(owner), value); }
  static Value get(const void* owner) { return load(of(owner)); }
  static void* child(void* owner) {
    if constexpr (Unwrap<T>::kOptional) {
      if (!of(owner)) of(owner).emplace();
      return &*of(owner);
    } else {
      return &of(owner);
    }
  }
  static const void* view(const void* owner) {
    if constexpr (Unwrap<T>::kOptional) {
      return of(owner) ? &*of(owner) : nullptr;
    } else {
      return &of(owner);
    }
  }
  static void* append(void* owner) { return &of(owner).emplace_back(); }
  static std::size_t size(const void* owner) { return of(owner).size(); }
  static const void* item(const void* owner, std::size_t i) { return &of(owner)[i]; }

  static constexpr Option row(std::string_view key) {
    Option o;
    o.key = key;
    o.kind = kind_of<Inner>();
    if constexpr (kind_of<Inner>() == Kind::kObjectList) {
      o.bind.child = append;
      o.bind.size = size;
      o.bind.item = item;
    } else if constexpr (kind_of<Inner>() == Kind::kObject) {
      o.bind.child = child;
      o.bind.view = view;
    } else {
      o.bind.set = set;
      o.bind.get = get;
    }
    if constexpr (std::is_enum_v<Inner>) o.tokens = EnumTokens<Inner>::kTokens;
    return o;
  }
};

template <auto Member>
constexpr Option option(std::string_view key) {
  return Bound<Member>::row(key);
}
template <auto Member>
constexpr Option option(std::string_view key, const Section& section) {
  Option o = Bound<Member>::row(key);
  o.section = &section;
  return o;
}

/// One alternative of the std::variant `Target` as an object of its own.
template <class T>
constexpr Option alternative(std::string_view key, const Section& section) {
  Option o;
  o.key = key;
  o.kind = Kind::kObject;
  o.section = &section;
  o.bind.child = [](void* owner) -> void* { return &static_cast<Target*>(owner)->emplace<T>(); };
  o.bind.view = [](const void* owner) -> const void* {
    return std::get_if<T>(static_cast<const Target*>(owner));
  };
  return o;
}

/// The same owner again, one level deeper in the file (scaling.behavior).
constexpr Option same_owner(std::string_view key, const Section& section) {
  Option o;
  o.key = key;
  o.kind = Kind::kObject;
  o.section = &section;
  o.bind.child = [](void* owner) -> void* { return owner; };
  o.bind.view = [](const void* owner) -> const void* { return owner; };
  return o;
}

template <class T>
const void* defaults_of() {
  static const T value{};
  return &value;
}

// The tables, by the object they describe.
extern const Section kScalingSection;
extern const Section kVariantSection;

}  // namespace tidegate::spec
