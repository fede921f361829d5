#pragma once
// OpenAI-compatible bodies: what the gateway, the emulated engine and the load generator must agree
// on.
//
//   OpenAiParser parser;                                    // one a thread; keeps its buffers
//   auto r = parser.parse(OpenAiEndpoint::kChat, body);     // Error: a sentence for a 400
//   route(r->model, r->prompt_tokens, r->prefix());
//   std::string sent = with_model(body, *r, "other-name");  // only that value changes
//
// Token rule (shared, deterministic; no tokenizer): a prompt is a run of bytes, four a token, at
// least one token. A string prompt is its bytes between the quotes as written (escapes not undone).
// Token ids are four bytes each: exact. A chat message is 16 bytes of role (cut or padded) and then
// its text parts; an image or other part is kMediaPartTokens. `tool_calls` and `tools` count as
// written. Prefix rule: the same bytes in blocks of kPrefixBlockTokens tokens (64 bytes); hash i is
// XXH3 of block i seeded with hash i-1, so equal hashes mean equal prefixes. Only full blocks have
// one.
//
// One pass of simdjson's on-demand parser over the body where it lies; what no field here needs is
// skipped unread. Limits are named below. Thread-safety: one owner per OpenAiParser; the functions
// are pure. Source: vLLM's openai/protocol.py and OpenAI's openapi.yaml (behaviour).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/strong.h"

namespace tidegate::format {

inline constexpr std::int64_t kBytesPerToken = 4;
inline constexpr std::int64_t kPrefixBlockTokens = 16;
inline constexpr std::int64_t kMessageOverheadTokens = 4;
inline constexpr std::int64_t kMediaPartTokens = 256;
inline constexpr std::size_t kMaxPrompts =
    2048;  ///< prompts or inputs of one request; OpenAI's own limit of inputs
inline constexpr std::size_t kMaxMessages = 16'384;

enum class OpenAiEndpoint : std::uint8_t { kChat, kCompletions, kEmbeddings };
enum class PrefixHashing : std::uint8_t { kOff, kOn };

/// Where a value lies in the body; size 0: absent.
struct BodySpan {
  std::size_t offset = 0;
  std::size_t size = 0;
};

struct OpenAiPrompt {
  Tokens tokens;
  std::vector<std::uint64_t> prefix;  ///< chained hashes of its full blocks; empty with kOff
};

struct OpenAiRequest {
  std::string model;     ///< empty: not said
  BodySpan model_value;  ///< the string in the body, quotes included
  bool stream = false;
  bool include_usage = false;     ///< stream_options.include_usage
  bool continuous_usage = false;  ///< stream_options.continuous_usage_stats (vLLM)
  bool ignore_eos = false;
  bool echo = false;
  bool has_stop = false;
  std::optional<std::int64_t> max_tokens;  ///< max_completion_tokens, else max_tokens
  std::int64_t n = 1;
  std::int64_t priority = 0;  ///< vLLM: lower is earlier
  std::string user;
  Tokens prompt_tokens;               ///< of all prompts together; 0: no prompt in the body
  std::vector<OpenAiPrompt> prompts;  ///< chat: one; completions and embeddings: one each
  /// Of the first prompt, for routing; empty without one.
  const std::vector<std::uint64_t>& prefix() const;
};

class OpenAiParser {
 public:
  OpenAiParser();
  ~OpenAiParser();
  OpenAiParser(OpenAiParser&&) noexcept;
  OpenAiParser& operator=(OpenAiParser&&) noexcept;
  /// Reads `body` in place. May grow its capacity (the parser needs kBodyPadding spare bytes;
  /// reserve them when filling it and nothing moves); never changes its contents. An Error says
  /// what is wrong with the JSON or with the type of a field used here; unknown fields are nobody's
  /// business.
  Result<OpenAiRequest> parse(OpenAiEndpoint endpoint, std::string& body,
                              PrefixHashing hashing = PrefixHashing::kOn);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
inline constexpr std::size_t kBodyPadding = 64;

/// The estimate by the token rule for plain text, without a body (load generator, tests).
Tokens estimate_prompt_tokens(std::string_view text);
/// The hashes by the prefix rule for plain text.
std::vector<std::uint64_t> prefix_hashes(std::string_view text);

/// A copy of `body` that names `model`; the body itself must be the one that was parsed.
std::string with_model(std::string_view body, const OpenAiRequest& request, std::string_view model);

/// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// OpenAI's error body: {"error":{message, type, param, code}}; an empty param or code is null.
std::string openai_error_json(std::string_view message, std::string_view type,
                              std::string_view param = {}, std::string_view code = {});
/// vLLM's error body: the same with an integer code equal to the HTTP status.
std::string vllm_error_json(std::string_view message, std::string_view type, int code,
                            std::string_view param = {});

}  // namespace tidegate::format
