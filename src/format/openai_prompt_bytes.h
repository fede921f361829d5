#pragma once
// Inside of openai.h: the prompt as a run of bytes, by the token and prefix rules stated there.
//
//   PromptBytes bytes(PrefixHashing::kOn);
//   bytes.feed("some "), bytes.feed("text");
//   OpenAiPrompt prompt = bytes.finish();
//
// However the bytes are cut into pieces, the result is the same. One owner.

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/openai.h"

namespace tidegate::format {

class PromptBytes {
 public:
  explicit PromptBytes(PrefixHashing hashing) : hashing_(hashing) {}

  void feed(std::string_view text) {
    bytes_ += static_cast<std::int64_t>(text.size());
    if (hashing_ == PrefixHashing::kOff) return;
    if (carried_ > 0) {
      std::size_t take = std::min(kBlockBytes - carried_, text.size());
      std::memcpy(carry_.data() + carried_, text.data(), take);
      carried_ += take;
      text.remove_prefix(take);
      if (carried_ < kBlockBytes) return;
      block(carry_.data());
      carried_ = 0;
    }
    for (; text.size() >= kBlockBytes; text.remove_prefix(kBlockBytes)) block(text.data());
    std::memcpy(carry_.data(), text.data(), text.size());
    carried_ = text.size();
  }
  void feed_id(std::uint32_t id) {
    char bytes[kBytesPerToken];
    for (int i = 0; i < kBytesPerToken; ++i) bytes[i] = static_cast<char>(id >> (8 * i));
    feed({bytes, sizeof bytes});
  }
  /// Anything that is not text: a fixed number of tokens whose hash depends on what it is.
  void feed_media(std::string_view raw) {
    std::uint64_t hash = XXH3_64bits(raw.data(), raw.size());
    for (std::int64_t i = 0; i < kMediaPartTokens * kBytesPerToken; i += sizeof hash) {
      feed({reinterpret_cast<const char*>(&hash), sizeof hash});
    }
  }
  OpenAiPrompt finish() {
    std::int64_t tokens = (bytes_ + kBytesPerToken - 1) / kBytesPerToken;
    return {Tokens(std::max<std::int64_t>(tokens, 1)), std::move(hashes_)};
  }

 private:
  static constexpr std::size_t kBlockBytes = kPrefixBlockTokens * kBytesPerToken;
  void block(const char* data) {
    previous_ = XXH3_64bits_withSeed(data, kBlockBytes, previous_);
    hashes_.push_back(previous_);
  }
  PrefixHashing hashing_;
  std::int64_t bytes_ = 0;
  std::array<char, kBlockBytes> carry_;
  std::size_t carried_ = 0;
  std::uint64_t previous_ = 0;
  std::vector<std::uint64_t> hashes_;
};

}  // namespace tidegate::format
