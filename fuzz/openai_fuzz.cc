// Bodies and streams of clients and engines: any bytes give a request or an error; a renamed body
// is still a body and names the other model; a stream reads the same however it is cut.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "format/openai.h"
#include "format/openai_sse.h"

namespace {

using namespace tidegate::format;

void bodies(std::string_view text, OpenAiEndpoint endpoint) {
  static OpenAiParser parser;
  std::string body(text);
  auto request = parser.parse(endpoint, body);
  TIDEGATE_CHECK(body == text);
  if (!request) {
    TIDEGATE_CHECK(!request.error().message.empty());
    return;
  }
  TIDEGATE_CHECK(request->prompt_tokens.value() >= 0);
  TIDEGATE_CHECK(request->model_value.offset + request->model_value.size <= body.size());
  if (request->model_value.size == 0) return;
  std::string renamed = with_model(body, *request, "an \"other\" model");
  auto again = parser.parse(endpoint, renamed);
  TIDEGATE_CHECK(again && again->model == "an \"other\" model");
  TIDEGATE_CHECK(again->prompt_tokens == request->prompt_tokens);
  TIDEGATE_CHECK(again->prefix() == request->prefix());
}

void streams(std::string_view text, std::size_t cut) {
  SseScanner whole, parts;
  whole.feed(text);
  parts.feed(text.substr(0, cut));
  parts.feed(text.substr(cut));
  const auto &a = whole.seen(), &b = parts.seen();
  TIDEGATE_CHECK(a.content_events == b.content_events && a.events == b.events);
  TIDEGATE_CHECK(a.comments == b.comments && a.done == b.done && a.error == b.error);
  TIDEGATE_CHECK(a.usage == b.usage && a.content_events <= a.events);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  bodies(text, static_cast<OpenAiEndpoint>(data[0] % 3));
  streams(text, data[0] * text.size() / 256);
  return 0;
}
