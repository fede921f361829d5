#include "live/emulator/reply.h"

#include <fmt/format.h>

#include "format/openai.h"

namespace tidegate::live {
namespace {

constexpr std::string_view kWords[] = {
    " the",     " tide",   " rises", " and",    " a",      " harbour", " gate",  " opens",
    " for",     " each",   " ship",  " that",   " comes",  " in",      " from",  " open",
    " water",   " while",  " on",    " shore",  " lamps",  " are",     " lit",   " one",
    " by",      " so",     " every", " sail",   " can",    " find",    " its",   " own",
    " berth",   " before", " dark",  " then",   " slowly", " it",      " falls", " again",
    " leaving", " wet",    " sand",  " behind", " with",   " shells",  " ropes", " nets",
    " small",   " boats",  " at",    " rest",   " under",  " grey",    " light", " until",
    " another", " wave",   " turns", " back",   " toward", " quiet",   " stone", " steps"};
static_assert(std::size(kWords) == 64);

std::string_view reason_json(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "\"stop\"";
    case FinishReason::kLength:
      return "\"length\"";
    case FinishReason::kAbort:
      return "\"abort\"";
    case FinishReason::kError:
      return "\"error\"";
  }
  return "null";
}

}  // namespace

std::string_view word_at(std::uint64_t text_seed, std::int64_t position) {
  std::uint64_t z = text_seed + static_cast<std::uint64_t>(position + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;  // splitmix64
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return kWords[(z ^ (z >> 31)) % std::size(kWords)];
}

Reply::Reply(Style style) : style_(std::move(style)) {
  head_ = "{\"id\":";
  format::append_json_string(head_, style_.id);
  std::string_view object = !style_.chat    ? "text_completion"
                            : style_.stream ? "chat.completion.chunk"
                                            : "chat.completion";
  head_ += fmt::format(",\"object\":\"{}\",\"created\":{},\"model\":", object, style_.created);
  format::append_json_string(head_, style_.model);
  head_ += ",\"choices\":[";
  chunk_ = "data: " + head_;
}

void Reply::append_usage_object(std::string& out, const ReplyUsage& usage) const {
  auto it = std::back_inserter(out);
  fmt::format_to(it, "{{\"prompt_tokens\":{},\"total_tokens\":{},\"completion_tokens\":{}",
                 usage.prompt, usage.prompt + usage.completion, usage.completion);
  if (style_.cached_details) {
    fmt::format_to(it, ",\"prompt_tokens_details\":{{\"cached_tokens\":{}}}", usage.cached);
  }
  out += '}';
}

void Reply::append_chunk_tail(std::string& out, const ReplyUsage& so_far) const {
  out += ']';
  if (style_.include_usage && style_.continuous_usage) {
    out += ",\"usage\":";
    append_usage_object(out, so_far);
  } else if (style_.include_usage) {
    out += ",\"usage\":null";
  }
  out += "}\n\n";
}

void Reply::append_role(std::string& out, int index, const ReplyUsage& so_far) const {
  out += chunk_;
  fmt::format_to(std::back_inserter(out),
                 "{{\"index\":{},\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}},"
                 "\"logprobs\":null,\"finish_reason\":null}}",
                 index);
  append_chunk_tail(out, so_far);
}

void Reply::append_token(std::string& out, const ReplyChoice& choice, std::int64_t position,
                         Position where, const ReplyUsage& so_far) const {
  bool last = where == Position::kLast;
  out += chunk_;
  out += "{\"index\":";
  out += std::to_string(choice.index);
  out += style_.chat ? ",\"delta\":{\"content\":\"" : ",\"text\":\"";
  out += word_at(choice.text_seed, position);
  out += style_.chat ? "\"},\"logprobs\":null,\"finish_reason\":"
                     : "\",\"logprobs\":null,\"finish_reason\":";
  out += last ? reason_json(choice.reason) : "null";
  if (last || !style_.chat) out += ",\"stop_reason\":null";
  out += '}';
  append_chunk_tail(out, so_far);
}

void Reply::append_end(std::string& out, const ReplyChoice& choice,
                       const ReplyUsage& so_far) const {
  out += chunk_;
  out += "{\"index\":" + std::to_string(choice.index);
  out += style_.chat ? ",\"delta\":{},\"logprobs\":null,\"finish_reason\":"
                     : ",\"text\":\"\",\"logprobs\":null,\"finish_reason\":";
  out += reason_json(choice.reason);
  out += ",\"stop_reason\":null}";
  append_chunk_tail(out, so_far);
}

void Reply::append_usage(std::string& out, const ReplyUsage& usage) const {
  out += chunk_;
  out += "],\"usage\":";
  append_usage_object(out, usage);
  out += "}\n\n";
}

void Reply::append_done(std::string& out) { out += "data: [DONE]\n\n"; }

std::string Reply::whole(std::span<const ReplyChoice> choices, const ReplyUsage& usage) const {
  std::string out = head_;
  for (const ReplyChoice& choice : choices) {
    if (&choice != choices.data()) out += ',';
    out += "{\"index\":" + std::to_string(choice.index);
    out += style_.chat ? ",\"message\":{\"role\":\"assistant\",\"content\":\"" : ",\"text\":\"";
    for (std::int64_t i = 0; i < choice.tokens; ++i) out += word_at(choice.text_seed, i);
    out += style_.chat ? "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":"
                       : "\",\"logprobs\":null,\"finish_reason\":";
    out += reason_json(choice.reason);
    out += ",\"stop_reason\":null}";
  }
  out += "],\"usage\":";
  append_usage_object(out, usage);
  return out += '}';
}

}  // namespace tidegate::live
