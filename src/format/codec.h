#pragma once
// Codec: any value with fields() <-> JSON and MessagePack. One description, every text and record.
//
//   std::string line = to_json(decision);            // compact, keys as declared, doubles
//   round-trip Result<Decision> back = from_json<Decision>(line); std::string blob =
//   to_msgpack(decision);         // doubles are 8 raw bytes
//
// Durations and instants are integer nanoseconds; enums their tokens; a variant is {"type": kType,
// ...}. The templates live in codec_inline.h; only the types listed in codec.cc are instantiated
// there.

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/control/controller.h"
#include "core/route/router.h"

namespace tidegate::format {

template <class T>
std::string to_json(const T& value);
template <class T>
Result<T> from_json(std::string_view text);
template <class T>
std::string to_msgpack(const T& value);
template <class T>
Result<T> from_msgpack(std::string_view bytes);

}  // namespace tidegate::format
