#pragma once
// Percent-encoding of URLs (RFC 3986, section 2.1). Thread-safety: pure.
//
//   percent_encode("org/model")     // "org%2Fmodel"
//   percent_decode("org%2Fmodel")   // "org/model"

#include <string>
#include <string_view>

namespace tidegate::net {

/// All but the unreserved characters of RFC 3986, section 2.3, and those of `kept`: "/" for a path.
std::string percent_encode(std::string_view text, std::string_view kept = {});

/// What is no "%" and two hexadecimal digits stays as it is; "+" too.
std::string percent_decode(std::string_view text);

}  // namespace tidegate::net
