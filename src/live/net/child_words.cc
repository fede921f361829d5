#include "live/net/child_words.h"

#include <unistd.h>

#include <map>

extern char** environ;

namespace tidegate::net {

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& set,
    const std::vector<std::string>& without) {
  std::map<std::string, std::string> all;
  for (char** at = environ; *at != nullptr; ++at) {
    std::string entry(*at);
    if (auto equals = entry.find('='); equals != std::string::npos) {
      all[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }
  for (const auto& name : without) all.erase(name);
  for (const auto& [name, value] : set) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) {
    std::string& word = out.emplace_back(name);
    word += '=';
    word += value;
  }
  return out;
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace tidegate::net
