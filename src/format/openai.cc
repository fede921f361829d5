#include "format/openai.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "format/openai_prompt_bytes.h"

namespace tidegate::format {
namespace {

namespace od = simdjson::ondemand;
static_assert(kBodyPadding >= simdjson::SIMDJSON_PADDING);

constexpr std::size_t kRoleBytes = kMessageOverheadTokens * kBytesPerToken;
/// A parser that has read a larger body than this gives its index (4 to 8 bytes a byte) back.
constexpr std::size_t kKeptCapacity = 4u << 20;

tl::unexpected<Error> bad_json(simdjson::error_code code) {
  return fail(fmt::format("the body is not valid JSON: {}", simdjson::error_message(code)));
}

/// A string value's bytes between its quotes, as written; consumes it.
Result<std::string_view> raw_string(od::value value, std::string_view what) {
  std::string_view token = value.raw_json_token();
  od::raw_json_string ignored;
  if (value.get_raw_json_string().get(ignored)) {
    return fail(fmt::format("{} must be a string", what));
  }
  std::size_t close = token.rfind('"');
  if (close == 0 || close == token.npos) return fail("the body is not valid JSON: unclosed string");
  return token.substr(1, close - 1);
}

/// One pass over one body.
class Reader {
 public:
  Reader(OpenAiEndpoint endpoint, std::string_view body, PrefixHashing hashing)
      : endpoint_(endpoint), body_(body), hashing_(hashing) {}

  Result<OpenAiRequest> read(od::document& document) {
    od::object object;
    if (auto code = document.get_object().get(object)) {
      if (code == simdjson::INCORRECT_TYPE) return fail("the body must be a JSON object");
      return bad_json(code);
    }
    for (auto item : object) {
      od::field field;
      if (auto code = std::move(item).get(field)) return bad_json(code);
      std::string_view key;
      if (auto code = field.unescaped_key().get(key)) return bad_json(code);
      if (auto done = read_field(key, field.value()); !done) return fail(done.error());
    }
    if (document.current_location().error() == simdjson::SUCCESS)
      return fail("the body is not valid JSON: text after the object");
    if (max_completion_tokens_) out_.max_tokens = max_completion_tokens_;
    for (auto& prompt : out_.prompts) out_.prompt_tokens += prompt.tokens;
    return std::move(out_);
  }

 private:
  Result<void> read_field(std::string_view key, od::value value);
  Result<void> read_model(od::value value);
  Result<void> read_stream_options(od::value value);
  Result<void> read_messages(od::value value);
  Result<void> read_message(od::value value, PromptBytes& bytes);
  Result<void> read_content(od::value value, PromptBytes& bytes);
  Result<void> read_part(od::value value, PromptBytes& bytes);
  Result<void> read_prompt(od::value value, std::string_view what);
  Result<void> read_prompt_list(od::array array, std::string_view what);
  Result<void> read_ids(od::array array, PromptBytes& bytes);
  Result<void> read_raw(od::value value, PromptBytes& bytes);
  Result<void> read_bool(od::value value, std::string_view what, bool& out);
  Result<void> read_int(od::value value, std::string_view what, std::optional<std::int64_t>& out);
  Result<void> once(bool& seen, std::string_view what);

  OpenAiEndpoint endpoint_;
  std::string_view body_;
  PrefixHashing hashing_;
  OpenAiRequest out_;
  std::optional<std::int64_t> max_completion_tokens_;
  bool model_seen_ = false, prompt_seen_ = false;
};

/// A key that decides the route may stand once: another reader might take the other one.
Result<void> Reader::once(bool& seen, std::string_view what) {
  if (seen) return fail(fmt::format("\"{}\" is given twice", what));
  seen = true;
  return {};
}

Result<void> Reader::read_field(std::string_view key, od::value value) {
  std::optional<std::int64_t> number;
  if (key == "model") return read_model(value);
  if (key == "messages" && endpoint_ == OpenAiEndpoint::kChat) return read_messages(value);
  if (key == "prompt" && endpoint_ == OpenAiEndpoint::kCompletions) return read_prompt(value, key);
  if (key == "input" && endpoint_ == OpenAiEndpoint::kEmbeddings) return read_prompt(value, key);
  if (key == "stream") return read_bool(value, key, out_.stream);
  if (key == "stream_options") return read_stream_options(value);
  if (key == "ignore_eos") return read_bool(value, key, out_.ignore_eos);
  if (key == "echo") return read_bool(value, key, out_.echo);
  if (key == "max_tokens") return read_int(value, key, out_.max_tokens);
  if (key == "max_completion_tokens") return read_int(value, key, max_completion_tokens_);
  if (key == "n" || key == "priority") {
    if (auto done = read_int(value, key, number); !done) return done;
    if (number) (key == "n" ? out_.n : out_.priority) = *number;
    return {};
  }
  if (key == "stop") {
    out_.has_stop = value.raw_json_token().substr(0, 4) != "null";
    return {};
  }
  if (key == "user") {
    std::string_view user;
    if (value.get_string().get(user) == simdjson::SUCCESS) out_.user = user;
    return {};
  }
  return {};  // skipped unread
}

Result<void> Reader::read_model(od::value value) {
  if (auto done = once(model_seen_, "model"); !done) return done;
  std::string_view token = value.raw_json_token();
  if (token.substr(0, 4) == "null") return {};
  std::string_view name;
  if (auto code = value.get_string().get(name)) {
    return code == simdjson::INCORRECT_TYPE ? Result<void>(fail("model must be a string"))
                                            : Result<void>(bad_json(code));
  }
  out_.model = name;
  out_.model_value = {static_cast<std::size_t>(token.data() - body_.data()), token.rfind('"') + 1};
  return {};
}

Result<void> Reader::read_bool(od::value value, std::string_view what, bool& out) {
  if (value.raw_json_token().substr(0, 4) == "null") return {};
  if (value.get_bool().get(out)) return fail(fmt::format("{} must be true or false", what));
  return {};
}

Result<void> Reader::read_int(od::value value, std::string_view what,
                              std::optional<std::int64_t>& out) {
  if (value.raw_json_token().substr(0, 4) == "null") return {};
  std::int64_t number = 0;
  if (value.get_int64().get(number)) return fail(fmt::format("{} must be an integer", what));
  out = number;
  return {};
}

Result<void> Reader::read_stream_options(od::value value) {
  if (value.raw_json_token().substr(0, 4) == "null") return {};
  od::object object;
  if (value.get_object().get(object)) return fail("stream_options must be an object");
  for (auto item : object) {
    od::field field;
    if (auto code = std::move(item).get(field)) return bad_json(code);
    std::string_view key;
    if (auto code = field.unescaped_key().get(key)) return bad_json(code);
    Result<void> done;
    if (key == "include_usage") done = read_bool(field.value(), key, out_.include_usage);
    if (key == "continuous_usage_stats") {
      done = read_bool(field.value(), key, out_.continuous_usage);
    }
    if (!done) return done;
  }
  return {};
}

Result<void> Reader::read_messages(od::value value) {
  if (auto done = once(prompt_seen_, "messages"); !done) return done;
  od::array array;
  if (value.get_array().get(array)) return fail("messages must be an array");
  PromptBytes bytes(hashing_);
  std::size_t count = 0;
  for (auto item : array) {
    od::value message;
    if (auto code = std::move(item).get(message)) return bad_json(code);
    if (++count > kMaxMessages) {
      return fail(fmt::format("messages has more than {} entries", kMaxMessages));
    }
    if (auto done = read_message(message, bytes); !done) return done;
  }
  if (count > 0) out_.prompts.push_back(bytes.finish());
  return {};
}

Result<void> Reader::read_message(od::value value, PromptBytes& bytes) {
  od::object object;
  if (value.get_object().get(object)) return fail("each message must be an object");
  for (auto item : object) {
    od::field field;
    if (auto code = std::move(item).get(field)) return bad_json(code);
    std::string_view key;
    if (auto code = field.unescaped_key().get(key)) return bad_json(code);
    Result<void> done;
    if (key == "role") {
      auto role = raw_string(field.value(), "role of a message");
      if (!role) return fail(role.error());
      std::string padded(role->substr(0, kRoleBytes));
      padded.resize(kRoleBytes, ' ');
      bytes.feed(padded);
    } else if (key == "content") {
      done = read_content(field.value(), bytes);
    } else if (key == "tool_calls") {
      done = read_raw(field.value(), bytes);
    }
    if (!done) return done;
  }
  return {};
}

Result<void> Reader::read_content(od::value value, PromptBytes& bytes) {
  std::string_view token = value.raw_json_token();
  if (token.substr(0, 4) == "null") return {};
  if (token.front() == '"') {
    auto text = raw_string(value, "content of a message");
    if (!text) return fail(text.error());
    bytes.feed(*text);
    return {};
  }
  od::array parts;
  if (value.get_array().get(parts)) {
    return fail("content of a message must be a string or an array of parts");
  }
  for (auto item : parts) {
    od::value part;
    if (auto code = std::move(item).get(part)) return bad_json(code);
    if (auto done = read_part(part, bytes); !done) return done;
  }
  return {};
}

Result<void> Reader::read_part(od::value value, PromptBytes& bytes) {
  od::object part;
  if (value.get_object().get(part)) return fail("each content part must be an object");
  for (auto item : part) {
    od::field field;
    if (auto code = std::move(item).get(field)) return bad_json(code);
    std::string_view key;
    if (auto code = field.unescaped_key().get(key)) return bad_json(code);
    if (key == "type") continue;
    if (key == "text") {
      auto text = raw_string(field.value(), "text of a content part");
      if (!text) return fail(text.error());
      bytes.feed(*text);
    } else if (key == "image_url" || key == "input_audio" || key == "video_url" || key == "file") {
      bytes.feed_media(field.value().raw_json_token());
    }
  }
  return {};
}

/// A value counted as written (tool calls): its JSON text is prompt text.
Result<void> Reader::read_raw(od::value value, PromptBytes& bytes) {
  if (value.raw_json_token().substr(0, 4) == "null") return {};
  od::array array;
  if (value.get_array().get(array)) return fail("tool_calls must be an array");
  std::string_view raw;
  if (auto code = array.raw_json().get(raw)) return bad_json(code);
  bytes.feed(raw);
  return {};
}

Result<void> Reader::read_prompt(od::value value, std::string_view what) {
  if (auto done = once(prompt_seen_, what); !done) return done;
  std::string_view token = value.raw_json_token();
  if (token.substr(0, 4) == "null") return {};
  if (token.front() == '"') {
    auto text = raw_string(value, what);
    if (!text) return fail(text.error());
    PromptBytes bytes(hashing_);
    bytes.feed(*text);
    out_.prompts.push_back(bytes.finish());
    return {};
  }
  od::array array;
  if (value.get_array().get(array)) {
    return fail(fmt::format("{} must be a string, or an array of strings or token ids", what));
  }
  return read_prompt_list(array, what);
}

/// [string...], [int...] (one prompt of ids) or [[int...]...].
Result<void> Reader::read_prompt_list(od::array array, std::string_view what) {
  PromptBytes ids(hashing_);
  bool any_id = false;
  for (auto item : array) {
    od::value value;
    if (auto code = std::move(item).get(value)) return bad_json(code);
    char first = value.raw_json_token().front();
    bool is_id = first == '-' || (first >= '0' && first <= '9');
    if (is_id ? !out_.prompts.empty() : any_id) {
      return fail(fmt::format("{} mixes token ids with other prompts", what));
    }
    if (is_id) {
      std::uint64_t id = 0;
      if (value.get_uint64().get(id) || id > 0xffff'ffffu) {
        return fail(fmt::format("{} holds a token id that is not an integer in 0..2^32-1", what));
      }
      ids.feed_id(static_cast<std::uint32_t>(id));
      any_id = true;
      continue;
    }
    if (out_.prompts.size() == kMaxPrompts) {
      return fail(fmt::format("{} has more than {} prompts", what, kMaxPrompts));
    }
    PromptBytes bytes(hashing_);
    if (first == '[') {
      od::array inner;
      if (auto code = value.get_array().get(inner)) return bad_json(code);
      if (auto done = read_ids(inner, bytes); !done) return done;
    } else {
      auto text = raw_string(value, fmt::format("each entry of {}", what));
      if (!text) return fail(text.error());
      bytes.feed(*text);
    }
    out_.prompts.push_back(bytes.finish());
  }
  if (any_id) out_.prompts.push_back(ids.finish());
  return {};
}

Result<void> Reader::read_ids(od::array array, PromptBytes& bytes) {
  for (auto item : array) {
    std::uint64_t id = 0;
    if (item.get_uint64().get(id) || id > 0xffff'ffffu) {
      return fail("a prompt of token ids holds something that is not an integer in 0..2^32-1");
    }
    bytes.feed_id(static_cast<std::uint32_t>(id));
  }
  return {};
}

}  // namespace

struct OpenAiParser::State {
  od::parser parser;
};

OpenAiParser::OpenAiParser() : state_(std::make_unique<State>()) {}
OpenAiParser::~OpenAiParser() = default;
OpenAiParser::OpenAiParser(OpenAiParser&&) noexcept = default;
OpenAiParser& OpenAiParser::operator=(OpenAiParser&&) noexcept = default;

Result<OpenAiRequest> OpenAiParser::parse(OpenAiEndpoint endpoint, std::string& body,
                                          PrefixHashing hashing) {
  if (body.capacity() < body.size() + kBodyPadding) body.reserve(body.size() + kBodyPadding);
  od::document document;
  auto code = state_->parser
                  .iterate(simdjson::padded_string_view(body.data(), body.size(),
                                                        body.size() + kBodyPadding))
                  .get(document);
  if (code) return code == simdjson::EMPTY ? fail("the body is empty") : bad_json(code);
  auto result = Reader(endpoint, body, hashing).read(document);
  if (body.size() > kKeptCapacity) state_->parser = od::parser();
  return result;
}

}  // namespace tidegate::format
