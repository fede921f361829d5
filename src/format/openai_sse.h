#pragma once
// SSE of an OpenAI-compatible stream: what a relay or a client must know, without parsing every
// chunk.
//
//   SseScanner scan;
//   on_data([&](std::string_view bytes) { scan.feed(bytes); });
//   if (scan.seen().content_events > 0 && !ttft) ttft = now - sent;
//   on_end([&] { complete = scan.seen().done; });
//
// Incremental: bytes may be split anywhere; lines end with \n or \r\n; comment lines are counted
// and skipped. Costs a memchr and two memmem a line; a line that arrives whole is read where it
// lies. Content is the first NON-empty delta (content, text, reasoning or a tool call): a chunk
// with the role alone is none. A line over kMaxLine bytes is skipped. Thread-safety: one owner.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidegate::format {

struct OpenAiUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t cached_tokens = 0;
  bool operator==(const OpenAiUsage&) const = default;
};
/// The "usage" object in a chunk or in a whole response; empty if there is none or it is null.
std::optional<OpenAiUsage> find_usage(std::string_view json);

class SseScanner {
 public:
  static constexpr std::size_t kMaxLine = 1 << 20;
  struct Seen {
    std::int64_t content_events = 0;   ///< data events with a non-empty delta
    std::int64_t events = 0;           ///< data events but [DONE]
    std::int64_t comments = 0;         ///< keep-alives
    bool done = false;                 ///< data: [DONE]
    bool error = false;                ///< an in-band {"error": ...}
    bool oversize = false;             ///< a line over kMaxLine was skipped
    std::optional<OpenAiUsage> usage;  ///< the last one
  };
  void feed(std::string_view bytes);
  const Seen& seen() const { return seen_; }

 private:
  void line(std::string_view text);
  Seen seen_;
  std::string partial_;
  bool skipping_ = false;
};

}  // namespace tidegate::format
