#pragma once
// Reply text: chat and completion bodies and stream chunks as vLLM writes them, with made-up words.
//
//   Reply reply({.chat = true, .stream = true, .id = "chatcmpl-1", .model = "m", .created =
//   1767323045}); reply.append_role(out, 0); reply.append_token(out, choice, 0);
//   reply.append_usage(out, usage);  reply.append_done(out);
//
// One word is one token; the words follow from (text_seed, position) alone, so the same prompt and
// seed give the same text. Pure text; one owner.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "live/emulator/metrics.h"

namespace tidegate::live {

/// Token `position` of a text: a blank and a word; ASCII that needs no escaping.
std::string_view word_at(std::uint64_t text_seed, std::int64_t position);

struct ReplyUsage {
  std::int64_t prompt = 0, completion = 0, cached = 0;
};

/// What a reply must know of one choice.
struct ReplyChoice {
  int index = 0;
  std::uint64_t text_seed = 0;
  std::int64_t tokens = 0;  ///< of the finished choice
  FinishReason reason = FinishReason::kLength;
};

class Reply {
 public:
  struct Style {
    bool chat = false, stream = false;
    bool include_usage = false, continuous_usage = false;
    bool cached_details = false;
    std::string id, model;
    std::int64_t created = 0;  ///< unix seconds
  };
  explicit Reply(Style style);
  const Style& style() const { return style_; }

  /// The first chunk of a chat choice: the role and no content.
  void append_role(std::string& out, int index, const ReplyUsage& so_far) const;
  /// One chunk with token `position`; `last` says the choice ends with it.
  enum class Position : std::uint8_t { kMiddle, kLast };
  void append_token(std::string& out, const ReplyChoice& choice, std::int64_t position,
                    Position where, const ReplyUsage& so_far) const;
  /// A chunk without a token that ends a choice before its time.
  void append_end(std::string& out, const ReplyChoice& choice, const ReplyUsage& so_far) const;
  void append_usage(std::string& out, const ReplyUsage& usage) const;
  static void append_done(std::string& out);
  /// The whole body of an answer that is not streamed.
  std::string whole(std::span<const ReplyChoice> choices, const ReplyUsage& usage) const;

 private:
  void append_usage_object(std::string& out, const ReplyUsage& usage) const;
  void append_chunk_tail(std::string& out, const ReplyUsage& so_far) const;
  Style style_;
  std::string head_;   // {"id":...,"choices":[
  std::string chunk_;  // data: and head_
};

}  // namespace tidegate::live
