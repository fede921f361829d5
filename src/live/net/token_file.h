#pragma once
// A bearer token in a file, as the spec names one (bearerTokenFile) and Kubernetes rotates it.
//
//   std::string trouble = add_bearer(spec.bearer_token_file, request.headers);

#include <string>

#include "live/net/http.h"

namespace tidegate::net {

/// Adds `Authorization: Bearer ...` with what `path` holds now; an empty path adds nothing. Why
/// there is no token, for people: cannot be read, is empty, holds more than one line; then nothing
/// is added. Empty: all is well. Blocks for as long as a small local file takes.
std::string add_bearer(const std::string& path, Headers& headers);

}  // namespace tidegate::net
