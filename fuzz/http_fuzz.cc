// Heads and chunked bodies of HTTP/1.1: any bytes, cut anywhere, and what a smuggler would need
// never comes through. The first byte says where to cut.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "live/net/http1_chunks.h"
#include "live/net/http1_head.h"

namespace {

using namespace tidegate::net;

bool clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void check_headers(const Headers& headers) {
  for (const auto& [name, value] : headers.all()) {
    TIDEGATE_CHECK(!name.empty() && name.find_first_of(" \t:") == std::string_view::npos);
    TIDEGATE_CHECK(clean(name) && clean(value));
  }
}

void check_framing(const http1::Framing& framing) {
  TIDEGATE_CHECK(!(framing.chunked && framing.content_length));
}

void heads(std::string_view text, std::size_t cut) {
  http1::HeadScanner whole, parts;
  auto state = whole.scan(text);
  auto early = parts.scan(text.substr(0, cut));
  if (early == http1::HeadScanner::State::kMore) early = parts.scan(text);
  TIDEGATE_CHECK(early == state);
  if (state != http1::HeadScanner::State::kComplete) return;
  TIDEGATE_CHECK(whole.length() == parts.length() && whole.length() <= text.size());
  std::string_view head = text.substr(0, whole.length());

  Request request;
  http1::Framing framing;
  if (http1::parse_request(head, Limits{}, request, framing).status == 0) {
    TIDEGATE_CHECK(http1::strict_head(head).empty());
    TIDEGATE_CHECK(clean(request.method) && clean(request.target));
    check_headers(request.headers);
    check_framing(framing);
  }
  http1::ResponseHead response;
  if (http1::parse_response(head, 128, response).empty()) {
    TIDEGATE_CHECK(response.status >= 100 && response.status <= 999);
    check_headers(response.headers);
    check_framing(response.framing);
  }
}

struct Decoded {
  std::string body;
  std::size_t used = 0;
  bool done = false, bad = false;
  bool operator==(const Decoded&) const = default;
};

Decoded chunks(std::string_view text, std::size_t cut) {
  Decoded out;
  http1::ChunkReader reader;
  auto sink = [&](std::string_view data) {
    out.body.append(data);
    return true;
  };
  for (std::string_view part : {text.substr(0, cut), text.substr(cut)}) {
    if (reader.done() || reader.bad()) break;
    out.used += reader.feed(part, sink);
  }
  out.done = reader.done();
  out.bad = reader.bad();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string copy(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t cut = data[0] * copy.size() / 256;
  heads(copy, cut);
  Decoded whole = chunks(copy, copy.size());
  TIDEGATE_CHECK(chunks(copy, cut) == whole);
  TIDEGATE_CHECK(whole.used <= copy.size() && whole.body.size() <= copy.size());
  return 0;
}
