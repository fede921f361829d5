#pragma once
// Percent-encoding of URLs, read (RFC 3986, section 2.1). Thread-safety: pure.
//
//   percent_decode("org%2Fmodel")   // "org/model"

#include <string>
#include <string_view>

namespace tidegate::net {

/// What is no "%" and two hexadecimal digits stays as it is; "+" too.
std::string percent_decode(std::string_view text);

}  // namespace tidegate::net
