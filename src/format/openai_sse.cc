#include "format/openai_sse.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tidegate::format {
namespace {

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  return at;
}

/// What follows `key` (with quotes) and its colon; empty if the key is not there from `from` on. A
/// key inside a JSON string cannot match: its closing quote would be written \".
std::string_view after_key(std::string_view json, std::string_view key, std::size_t from = 0) {
  while (true) {
    // memmem, because string_view::find stops at each quote and JSON is full of them.
    const void* hit = memmem(json.data() + from, json.size() - from, key.data(), key.size());
    if (hit == nullptr) return {};
    std::size_t at = static_cast<std::size_t>(static_cast<const char*>(hit) - json.data());
    std::size_t colon = skip_blanks(json, at + key.size());
    if (colon < json.size() && json[colon] == ':') {
      return json.substr(skip_blanks(json, colon + 1));
    }
    from = at + key.size();
  }
}

bool non_empty_string(std::string_view json, std::string_view key) {
  std::size_t from = 0;
  while (true) {
    std::string_view value = after_key(json, key, from);
    if (value.empty()) return false;
    if (value.size() > 1 && value[0] == '"' && value[1] != '"') return true;
    from = json.size() - value.size();
  }
}

bool has_content(std::string_view json) {
  if (non_empty_string(json, "\"content\"") || non_empty_string(json, "\"text\"")) return true;
  if (non_empty_string(json, "\"reasoning_content\"")) return true;
  if (non_empty_string(json, "\"reasoning\"")) return true;
  std::string_view tools = after_key(json, "\"tool_calls\"");
  return !tools.empty() && tools[0] == '[' && tools[skip_blanks(tools, 1)] != ']';
}

void read_count(std::string_view object, std::string_view key, std::int64_t& out) {
  std::string_view value = after_key(object, key);
  if (!value.empty()) std::from_chars(value.data(), value.data() + value.size(), out);
}

/// The object that `text` starts with, by its braces; usage objects hold no strings.
std::string_view object_at(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(0, i + 1);
  }
  return text;
}

}  // namespace

std::optional<OpenAiUsage> find_usage(std::string_view json) {
  std::string_view value = after_key(json, "\"usage\"");
  if (value.empty() || value[0] != '{') return std::nullopt;
  value = object_at(value);
  OpenAiUsage usage;
  read_count(value, "\"prompt_tokens\"", usage.prompt_tokens);
  read_count(value, "\"completion_tokens\"", usage.completion_tokens);
  read_count(value, "\"cached_tokens\"", usage.cached_tokens);
  return usage;
}

void SseScanner::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t end = bytes.find('\n');
    std::string_view piece = bytes.substr(0, end);
    if (!skipping_ && partial_.size() + piece.size() > kMaxLine) {
      skipping_ = seen_.oversize = true;
      partial_.clear();
    }
    if (end == bytes.npos) {
      if (!skipping_) partial_.append(piece);
      return;
    }
    if (!skipping_ && partial_.empty()) {
      line(piece);
    } else if (!skipping_) {
      partial_.append(piece);
      line(partial_);
    }
    partial_.clear();
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
}

void SseScanner::line(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.starts_with(':')) {
    ++seen_.comments;
    return;
  }
  if (!text.starts_with("data:")) return;
  text.remove_prefix(skip_blanks(text, 5));
  if (text == "[DONE]") {
    seen_.done = true;
    return;
  }
  ++seen_.events;
  if (has_content(text)) {
    ++seen_.content_events;
  } else if (text.starts_with("{\"error\"")) {
    seen_.error = true;
  }
  if (auto usage = find_usage(text)) seen_.usage = usage;
}

}  // namespace tidegate::format
