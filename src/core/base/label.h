#pragma once
// Label: a name that is nearly always written in the code. A literal is pointed to, so that a
// decision of twenty named numbers allocates no names; what was read from a file is kept.
//
//   Label said = "in_flight_requests";
//   Label read{std::string("made_elsewhere")};

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tidegate {

class Label {
 public:
  constexpr Label() = default;
  consteval Label(const char* literal) : text_(literal) {}
  explicit Label(std::string read) : kept_(std::make_shared<const std::string>(std::move(read))) {
    text_ = *kept_;
  }

  std::string_view text() const { return text_; }
  operator std::string_view() const { return text_; }
  friend bool operator==(const Label& a, const Label& b) { return a.text_ == b.text_; }

 private:
  std::string_view text_;
  std::shared_ptr<const std::string> kept_;
};

}  // namespace tidegate
