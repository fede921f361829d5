#pragma once
// What of a head crosses the gateway: everything but what belongs to one hop (RFC 9110 7.6.1), to
// the gateway itself, or would let a client reach past it. Pure functions; thread-safe.

#include <string>
#include <string_view>
#include <vector>

#include "live/net/http.h"

namespace tidegate::live {

/// Request head to an engine: without hop-by-hop fields, credentials, x-tidegate-*,
/// x-data-parallel-rank (pins a rank behind our back) and Accept-Encoding (a compressed stream
/// cannot be read); with the upstream key, if any, and the request id.
net::Headers to_engine(const net::Headers& client, std::string_view upstream_key,
                       std::string_view request_id);
/// Response head to a client: without hop-by-hop fields and Date, with the request id if there is
/// none.
net::Headers to_client(const net::Headers& engine, std::string_view request_id);

/// The token of "Authorization: Bearer TOKEN"; empty if there is none.
std::string_view bearer(const net::Headers& headers);
/// Takes the same time wherever the first difference is.
bool constant_time_equal(std::string_view a, std::string_view b);
/// Index of the key that matches, or -1; looks at all of them.
int match_key(const std::vector<std::string>& keys, std::string_view given);

/// A request id that may go into logs and heads: visible ASCII, at most 128 bytes.
bool sane_request_id(std::string_view id);

}  // namespace tidegate::live
