#pragma once
// ChunkReader: strict decoder of Transfer-Encoding: chunked (RFC 9112 §7.1). Our own, because
// http_parser lets a bare LF through inside chunk extensions. Extensions and trailers are checked
// and dropped.
//
//   ChunkReader chunks;
//   auto sink = [&](std::string_view data) { body.append(data); return true; };
//   std::size_t used = chunks.feed(bytes, sink);
//   if (chunks.bad()) ...
//   if (chunks.done()) ...   // bytes.substr(used) belongs to the next message
//
// Internal to live/net. A value; no thread-safety.

#include <array>
#include <cstdint>
#include <string_view>

namespace tidegate::net::http1 {

class ChunkReader {
 public:
  /// Bytes of one size line with its extension, and of all trailers together.
  static constexpr std::size_t kMaxLineBytes = 4096;
  static constexpr std::size_t kMaxTrailerBytes = 16384;

  /// Consumes until the body ends, the input is bad, the input is used up, or `sink(data)` returns
  /// false. Returns the bytes consumed.
  template <class Sink>
  std::size_t feed(std::string_view in, Sink&& sink) {
    std::size_t at = 0;
    while (at < in.size() && state_ != State::kDone && state_ != State::kBad) {
      if (state_ == State::kData) {
        std::size_t n = static_cast<std::size_t>(
            left_ < in.size() - at ? left_ : static_cast<std::uint64_t>(in.size() - at));
        left_ -= n;
        if (left_ == 0) state_ = State::kDataCr;
        at += n;
        if (!sink(in.substr(at - n, n))) return at;
      } else {
        step(in[at++]);
      }
    }
    return at;
  }
  bool done() const { return state_ == State::kDone; }
  bool bad() const { return state_ == State::kBad; }

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailer,
    kTrailerLf,
    kEndLf,
    kDone,
    kBad
  };
  void step(char c);
  void size_digit(char c);

  State state_ = State::kSize;
  std::uint64_t left_ = 0;
  std::uint32_t digits_ = 0;
  std::uint32_t line_ = 0;
  std::uint32_t trailer_ = 0;
};

/// Room for the largest chunk-size line: hex digits of a std::size_t and CRLF.
using ChunkLine = std::array<char, 20>;
/// "1f4\r\n" for n bytes, written into `room`.
std::string_view chunk_size_line(std::size_t n, ChunkLine& room);

}  // namespace tidegate::net::http1
