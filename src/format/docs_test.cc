// The documentation names every policy and every reason there is, with the sentence in force.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/base/reason.h"
#include "core/spec/model.h"

namespace tidegate::format {
namespace {

std::string read(const char* name) {
  std::ifstream file(std::string(TIDEGATE_SOURCE_DIR) + "/docs/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Docs, ReasonsNameEveryCodeWithItsSentence) {
  std::string text = read("reasons.md");
  for (std::size_t i = 0; i < std::size(EnumTokens<ReasonCode>::kTokens); ++i) {
    auto code = static_cast<ReasonCode>(i);
    std::size_t row = text.find("`" + std::string(token(code)) + "` |");
    ASSERT_NE(row, std::string::npos) << token(code);
    std::string line = text.substr(row, text.find('\n', row) - row);
    EXPECT_NE(line.find(sentence(code)), std::string::npos) << line;
  }
}

TEST(Docs, PoliciesNameEveryKind) {
  std::string text = read("policies.md");
  for (std::string_view name : EnumTokens<spec::PolicyKind>::kTokens) {
    EXPECT_NE(text.find("`" + std::string(name) + "`"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace tidegate::format
