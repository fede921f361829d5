#pragma once
// For tests: recorded conversations with a real API server. A note (`#`), a request (`>`: method
// and target, headers, body), an answer (`<`: status line, headers; then the body).

#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live::kube {

struct Recorded {
  std::string note;
  std::string method, target, body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< of the request
  int status = 0;
  std::vector<std::pair<std::string, std::string>> answer_headers;
  std::string answer;
};

std::vector<Recorded> parse_recording(const std::string& text);

}  // namespace tidegate::live::kube
