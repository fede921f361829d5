#include "live/kube/testing/recording.h"

#include <sstream>

namespace tidegate::live::kube {
namespace {

/// "Name: value" of a header line; a JSON body is none.
bool header(const std::string& line, std::pair<std::string, std::string>& out) {
  auto colon = line.find(": ");
  if (colon == std::string::npos || line.find_first_of(" {[\"") < colon) return false;
  out = {line.substr(0, colon), line.substr(colon + 2)};
  return true;
}

}  // namespace

std::vector<Recorded> parse_recording(const std::string& text) {
  std::vector<Recorded> out;
  std::istringstream in(text);
  std::string line;
  bool answering = false;
  while (std::getline(in, line)) {
    if (line.starts_with("# ") && (out.empty() || answering || out.back().method.empty())) {
      out.emplace_back().note = line.substr(2);
      answering = false;
    } else if (line.starts_with("> ") && !out.empty()) {
      Recorded& one = out.back();
      line = line.substr(2);
      std::pair<std::string, std::string> field;
      if (one.method.empty()) {
        one.method = line.substr(0, line.find(' '));
        one.target = line.substr(line.find(' ') + 1);
      } else if (header(line, field)) {
        one.headers.push_back(field);
      } else {
        one.body += line;
      }
    } else if (line.starts_with("< ") && !out.empty()) {
      answering = true;
      std::pair<std::string, std::string> field;
      if (line.starts_with("< HTTP/1.1 ")) {
        out.back().status = std::stoi(line.substr(11));
      } else if (header(line.substr(2), field)) {
        out.back().answer_headers.push_back(field);
      }
    } else if (answering) {
      out.back().answer += line + "\n";
    }
  }
  for (Recorded& one : out) {
    while (one.answer.ends_with("\n\n")) one.answer.pop_back();
  }
  return out;
}

}  // namespace tidegate::live::kube
