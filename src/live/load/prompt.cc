#include "live/load/prompt.h"

#include <algorithm>

#include "format/openai.h"

namespace tidegate::live {
namespace {

static_assert(kPromptBytesPerToken == format::kBytesPerToken);

/// splitmix64 (Steele, Lea and Flood, 2014).
std::uint64_t mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

void append_words(std::string& out, std::uint64_t seed, std::int64_t words) {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::size_t at = out.size();
  out.resize(at + static_cast<std::size_t>(words * kPromptBytesPerToken));
  char* to = out.data() + at;
  for (std::int64_t done = 0; done < words;) {
    std::uint64_t bits = mix(seed);  // 60 of 64 bits: four words
    for (int i = 0; i < 4 && done < words; ++i, ++done) {
      for (int letter = 0; letter < 3; ++letter, bits >>= 5) *to++ = kLetters[bits & 31];
      *to++ = ' ';
    }
  }
}

void append_escaped(std::string& out, const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (byte < 0x20) {
      out.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out.push_back(c);
    }
  }
}

}  // namespace

void append_prompt(std::string& out, const workload::TraceRequest& request, std::int64_t tokens,
                   std::uint64_t unique) {
  std::int64_t left = tokens;
  if (request.prefix_block_tokens > 0) {
    for (std::uint64_t hash : request.prefix) {
      std::int64_t block = std::min(left, request.prefix_block_tokens);
      append_words(out, hash, block);
      left -= block;
    }
  }
  append_words(out, ~mix(unique), left);
}

std::string request_body(LoadEndpoint endpoint, const std::string& model,
                         const workload::TraceRequest& request, std::uint64_t unique,
                         EndOfText end_of_text) {
  bool chat = endpoint == LoadEndpoint::kChat;
  std::int64_t tokens = request.prompt.value();
  // A chat message costs its role and marks besides its text.
  if (chat) tokens = std::max<std::int64_t>(1, tokens - format::kMessageOverheadTokens);
  std::string out;
  out.reserve(static_cast<std::size_t>(tokens * kPromptBytesPerToken) + model.size() + 256);
  out.append("{\"model\":\"");
  append_escaped(out, request.adapter.empty() ? model : request.adapter);
  out.append(chat ? "\",\"messages\":[{\"role\":\"user\",\"content\":\"" : "\",\"prompt\":\"");
  append_prompt(out, request, tokens, unique);
  out.append(chat ? "\"}],\"max_tokens\":" : "\",\"max_tokens\":");
  out.append(std::to_string(request.output.value()));
  if (end_of_text == EndOfText::kIgnored) out.append(",\"ignore_eos\":true");
  out.append(",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  return out;
}

}  // namespace tidegate::live
