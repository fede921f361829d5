#include "live/net/http1_chunks.h"

#include <charconv>

#include "core/base/ascii.h"

namespace tidegate::net::http1 {
namespace {

/// Extensions and trailers: printable, tab, obs-text.
bool is_text(char c) {
  auto byte = static_cast<unsigned char>(c);
  return c == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace

void ChunkReader::size_digit(char c) {
  if (int value = ascii::hex_digit(c); value >= 0) {
    // 15 digits hold 2^60: no overflow, and no reader takes longer ones differently.
    if (++digits_ > 15) {
      state_ = State::kBad;
      return;
    }
    left_ = left_ * 16 + static_cast<std::uint64_t>(value);
  } else if (digits_ == 0) {
    state_ = State::kBad;
  } else if (c == '\r') {
    state_ = State::kSizeLf;
  } else {
    state_ = c == ';' ? State::kExtension : State::kBad;
  }
}

void ChunkReader::step(char c) {
  auto expect = [&](char wanted, State next) { state_ = c == wanted ? next : State::kBad; };
  switch (state_) {
    case State::kSize:
      size_digit(c);
      break;
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
      } else if (!is_text(c) || ++line_ > kMaxLineBytes) {
        state_ = State::kBad;
      }
      break;
    case State::kSizeLf:
      expect('\n', left_ == 0 ? State::kTrailerStart : State::kData);
      break;
    case State::kDataCr:
      expect('\r', State::kDataLf);
      break;
    case State::kDataLf:
      expect('\n', State::kSize);
      digits_ = 0;
      line_ = 0;
      break;
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndLf;
        break;
      }
      if (c == ' ' || c == '\t' || c == ':') {
        state_ = State::kBad;
        break;
      }
      [[fallthrough]];
    case State::kTrailer:
      state_ = c == '\r'                                      ? State::kTrailerLf
               : is_text(c) && ++trailer_ <= kMaxTrailerBytes ? State::kTrailer
                                                              : State::kBad;
      break;
    case State::kTrailerLf:
      expect('\n', State::kTrailerStart);
      break;
    case State::kEndLf:
      expect('\n', State::kDone);
      break;
    case State::kData:
    case State::kDone:
    case State::kBad:
      break;
  }
}

std::string_view chunk_size_line(std::size_t n, ChunkLine& room) {
  char* end = std::to_chars(room.data(), room.data() + room.size() - 2, n, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return {room.data(), static_cast<std::size_t>(end - room.data())};
}

}  // namespace tidegate::net::http1
