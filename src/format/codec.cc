#include "format/codec.h"

#include "format/codec_inline.h"

namespace tidegate::format {

#define TIDEGATE_INSTANTIATE(T)                      \
  template std::string to_json<T>(const T&);         \
  template Result<T> from_json<T>(std::string_view); \
  template std::string to_msgpack<T>(const T&);      \
  template Result<T> from_msgpack<T>(std::string_view);

TIDEGATE_INSTANTIATE(control::Event)
TIDEGATE_INSTANTIATE(control::Action)
TIDEGATE_INSTANTIATE(control::Decision)
TIDEGATE_INSTANTIATE(control::Start)
TIDEGATE_INSTANTIATE(route::Event)
TIDEGATE_INSTANTIATE(route::Action)
TIDEGATE_INSTANTIATE(route::Options)

}  // namespace tidegate::format
