#pragma once
// Result<T>: a value, or an Error that says what failed, the value seen, and the range or the fix.
//
//   Result<int> r = parse(text);
//   if (!r) return fail(r.error().within("variant h100"));

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tidegate {

struct Error {
  std::string message;
  /// Puts "what: " before the message: the chain reads from the outermost context to the cause.
  Error within(std::string_view what) const { return {std::string(what) + ": " + message}; }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) {
  return tl::unexpected<Error>(Error{std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace tidegate
