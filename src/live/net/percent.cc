#include "live/net/percent.h"

#include "core/base/ascii.h"

namespace tidegate::net {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

}  // namespace

std::string percent_encode(std::string_view text, std::string_view kept) {
  std::string out;
  for (const char c : text) {
    const bool unreserved =
        ascii::is_alphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~';
    if (unreserved || kept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && ascii::hex_digit(text[i + 1]) >= 0 &&
        ascii::hex_digit(text[i + 2]) >= 0) {
      out.push_back(
          static_cast<char>(ascii::hex_digit(text[i + 1]) * 16 + ascii::hex_digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace tidegate::net
