// What needs no parser: prompt text by the rules, and JSON written by hand.

#include <fmt/format.h>

#include "format/openai.h"
#include "format/openai_prompt_bytes.h"

namespace tidegate::format {
namespace {

/// Length of the UTF-8 sequence at the start of `text` (Unicode table 3-7), or 0 if it is not one.
std::size_t utf8_length(std::string_view text) {
  auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  auto tail = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return tail(1) ? 2 : 0;
  if (lead < 0xF0) {
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return tail(1) && tail(2) && tail(3) ? 4 : 0;
}

void append_string_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json_string(out, text);
  }
}

std::string error_json(std::string_view message, std::string_view type, std::string_view param) {
  std::string out = R"({"error":{"message":)";
  append_json_string(out, message);
  out += R"(,"type":)";
  append_json_string(out, type);
  out += R"(,"param":)";
  append_string_or_null(out, param);
  out += R"(,"code":)";
  return out;
}

}  // namespace

const std::vector<std::uint64_t>& OpenAiRequest::prefix() const {
  static const std::vector<std::uint64_t> kNone;
  return prompts.empty() ? kNone : prompts.front().prefix;
}

Tokens estimate_prompt_tokens(std::string_view text) {
  PromptBytes bytes(PrefixHashing::kOff);
  bytes.feed(text);
  return bytes.finish().tokens;
}

std::vector<std::uint64_t> prefix_hashes(std::string_view text) {
  PromptBytes bytes(PrefixHashing::kOn);
  bytes.feed(text);
  return bytes.finish().prefix;
}

std::string with_model(std::string_view body, const OpenAiRequest& request,
                       std::string_view model) {
  if (request.model_value.size == 0) return std::string(body);
  std::string out;
  out.reserve(body.size() + model.size() + kBodyPadding);
  out.append(body.substr(0, request.model_value.offset));
  append_json_string(out, model);
  out.append(body.substr(request.model_value.offset + request.model_value.size));
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    unsigned char c = static_cast<unsigned char>(text.front());
    std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      length = 1;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text.front();
    } else if (c == '\n') {
      out += "\\n";
    } else if (c < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  out += '"';
}

std::string openai_error_json(std::string_view message, std::string_view type,
                              std::string_view param, std::string_view code) {
  std::string out = error_json(message, type, param);
  append_string_or_null(out, code);
  return out += "}}";
}

std::string vllm_error_json(std::string_view message, std::string_view type, int code,
                            std::string_view param) {
  std::string out = error_json(message, type, param);
  out += std::to_string(code);
  return out += "}}";
}

}  // namespace tidegate::format
