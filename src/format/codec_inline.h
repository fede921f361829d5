#pragma once
// Implementation of format/codec.h; included only by .cc files that instantiate it.

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/base/fields.h"
#include "core/base/label.h"
#include "core/base/strong.h"
#include "core/base/time.h"
#include "format/codec.h"

namespace tidegate::format {

using Json = nlohmann::ordered_json;

namespace codec_detail {
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVariant : std::false_type {};
template <class... T>
struct IsVariant<std::variant<T...>> : std::true_type {};
template <class T>
struct IsStrong : std::false_type {};
template <class T>
struct IsStrong<Count<T>> : std::true_type {};
template <class T>
struct IsStrong<Id<T>> : std::true_type {};
}  // namespace codec_detail

template <class T>
Json encode(const T& value) {
  using namespace codec_detail;
  if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T> ||
                std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, Label>) {
    return std::string(value.text());
  } else if constexpr (std::is_same_v<T, Duration>) {
    return value.count();
  } else if constexpr (std::is_same_v<T, Instant>) {
    return value.nanos();
  } else if constexpr (std::is_same_v<T, WallTime>) {
    return value.unix_nanos();
  } else if constexpr (IsStrong<T>::value) {
    return value.value();
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(token(value));
  } else if constexpr (IsOptional<T>::value) {
    return value ? encode(*value) : Json(nullptr);
  } else if constexpr (IsVector<T>::value) {
    Json out = Json::array();
    for (const auto& item : value) out.push_back(encode(item));
    return out;
  } else if constexpr (IsVariant<T>::value) {
    return std::visit(
        [](const auto& item) {
          Json out = encode(item);
          out["type"] = std::string(std::decay_t<decltype(item)>::kType);
          return out;
        },
        value);
  } else {
    static_assert(HasFields<T>, "give the type fields()");
    Json out = Json::object();
    for_each_field(value, [&](std::string_view name, const auto& member) {
      out[std::string(name)] = encode(member);
    });
    return out;
  }
}

template <class T>
void decode(const Json& in, T& value);

namespace codec_detail {
template <class V, std::size_t I = 0>
void decode_variant(const Json& in, const std::string& type, V& value) {
  if constexpr (I == std::variant_size_v<V>) {
    throw std::runtime_error("unknown type \"" + type + "\"");
  } else {
    using Item = std::variant_alternative_t<I, V>;
    if (Item::kType == type) {
      Item item;
      decode(in, item);
      value = std::move(item);
    } else {
      decode_variant<V, I + 1>(in, type, value);
    }
  }
}
}  // namespace codec_detail

template <class T>
void decode(const Json& in, T& value) {
  using namespace codec_detail;
  if constexpr (std::is_same_v<T, bool> || std::is_arithmetic_v<T> ||
                std::is_same_v<T, std::string>) {
    value = in.get<T>();
  } else if constexpr (std::is_same_v<T, Label>) {
    value = Label(in.get<std::string>());
  } else if constexpr (std::is_same_v<T, Duration>) {
    value = Duration(in.get<std::int64_t>());
  } else if constexpr (std::is_same_v<T, Instant>) {
    value = Instant::from_nanos(in.get<std::int64_t>());
  } else if constexpr (std::is_same_v<T, WallTime>) {
    value = WallTime::from_unix_nanos(in.get<std::int64_t>());
  } else if constexpr (IsStrong<T>::value) {
    value = T(in.get<std::decay_t<decltype(value.value())>>());
  } else if constexpr (std::is_enum_v<T>) {
    auto text = in.get<std::string>();
    auto found = from_token<T>(text);
    if (!found) throw std::runtime_error("unknown token \"" + text + "\"");
    value = *found;
  } else if constexpr (IsOptional<T>::value) {
    if (in.is_null()) {
      value.reset();
    } else {
      typename T::value_type item{};
      decode(in, item);
      value = std::move(item);
    }
  } else if constexpr (IsVector<T>::value) {
    if (!in.is_array()) throw std::runtime_error("expected a list");
    value.clear();
    value.reserve(in.size());
    for (const auto& item : in) {
      value.emplace_back();
      decode(item, value.back());
    }
  } else if constexpr (IsVariant<T>::value) {
    decode_variant(in, in.at("type").get<std::string>(), value);
  } else {
    if (!in.is_object()) throw std::runtime_error("expected an object");
    for_each_field(value, [&](std::string_view name, auto& member) {
      if (auto it = in.find(std::string(name)); it != in.end()) decode(*it, member);
    });
  }
}

template <class T>
std::string to_json(const T& value) {
  return encode(value).dump();
}
template <class T>
Result<T> from_json(std::string_view text) {
  try {
    T value{};
    decode(Json::parse(text), value);
    return value;
  } catch (const std::exception& e) {
    return fail(std::string("JSON: ") + e.what());
  }
}
template <class T>
std::string to_msgpack(const T& value) {
  std::string out;
  Json::to_msgpack(encode(value), out);
  return out;
}
template <class T>
Result<T> from_msgpack(std::string_view bytes) {
  try {
    T value{};
    decode(Json::from_msgpack(bytes), value);
    return value;
  } catch (const std::exception& e) {
    return fail(std::string("MessagePack: ") + e.what());
  }
}

}  // namespace tidegate::format
