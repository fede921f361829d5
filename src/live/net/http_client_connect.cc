// How a request head is written.
#include <algorithm>

#include "core/base/ascii.h"
#include "live/net/http_client_core.h"

namespace tidegate::net::http1 {
namespace {

/// Fields that speak about the connection; the client writes its own.
bool is_ours(std::string_view name) {
  for (std::string_view ours :
       {"content-length", "transfer-encoding", "connection", "keep-alive", "expect", "upgrade"}) {
    if (ascii::equal_ignoring_case(name, ours)) return true;
  }
  return false;
}

bool printable(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
}

}  // namespace

Result<std::string> encode_request_head(const ClientRequest& request, std::size_t body_bytes) {
  if (!printable(request.method)) return tidegate::fail("the method is empty or holds blanks");
  if (!printable(request.path) || (request.path.front() != '/' && request.path != "*")) {
    return tidegate::fail("path \"" + request.path + "\" must start with / and hold no blanks");
  }
  std::string out;
  out.reserve(256);
  out.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\n");
  if (!request.headers.has("host")) append_field(out, "Host", request.address.text());
  for (const auto& [name, value] : request.headers.all()) {
    if (!is_ours(name)) append_field(out, name, value);
  }
  bool may_have_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (body_bytes > 0 || may_have_body) {
    append_field(out, "Content-Length", std::to_string(body_bytes));
  }
  out.append("\r\n");
  return out;
}

}  // namespace tidegate::net::http1
