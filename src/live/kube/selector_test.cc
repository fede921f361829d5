#include "live/kube/selector.h"

#include <gtest/gtest.h>

namespace tidegate::live::kube {
namespace {

const Labels kLabels = {{"model", "m-8b"}, {"variant", "h100"}, {"empty", ""}};

TEST(SelectorTest, picks_by_equality_sets_and_presence) {
  struct Case {
    const char* label;
    const char* text;
    bool picks;
  };
  const Case cases[] = {
      {"nothing asked picks everything", "", true},
      {"blanks ask nothing", "   ", true},
      {"equal", "model=m-8b", true},
      {"equal, written twice", "model==m-8b", true},
      {"another value", "model=m-7b", false},
      {"a key it lacks", "tier=a", false},
      {"not equal", "model!=m-7b", true},
      {"not equal to what it is", "model!=m-8b", false},
      {"not equal of a key it lacks", "tier!=a", true},
      {"in a set", "model in (m-7b, m-8b)", true},
      {"in another set", "model in (a,b)", false},
      {"in a set, a key it lacks", "tier in (a)", false},
      {"not in a set", "model notin (a,b)", true},
      {"not in a set it is in", "model notin (m-8b)", false},
      {"not in a set, a key it lacks", "tier notin (a)", true},
      {"has the key", "model", true},
      {"lacks the key", "tier", false},
      {"must lack the key", "!tier", true},
      {"must lack the key it has", "!model", false},
      {"all must hold", "model=m-8b,variant in (h100,h200),!tier", true},
      {"one does not hold", "model=m-8b,variant in (a100)", false},
      {"an empty value", "empty=", true},
      {"an empty value in a set", "empty in (,a)", true},
      {"blanks around", " model = m-8b , variant ", true},
  };
  for (const Case& c : cases) {
    auto selector = Selector::parse(c.text);
    ASSERT_TRUE(selector) << c.label << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(kLabels), c.picks) << c.label;
  }
}

TEST(SelectorTest, says_what_it_cannot_read) {
  struct Case {
    const char* label;
    std::string text;
    const char* words;
  };
  const Case cases[] = {
      {"no key", "=a", "found '=', expected: identifier"},
      {"two values", "a=b c", "expected: identifier"},
      {"an unknown operator", "a within (b)", "found 'within', expected: in, notin, =, ==, !="},
      {"a set without brackets", "a in b", "expected: '('"},
      {"a set that does not end", "a in (b", "expected: ',' or ')'"},
      {"two requirements without a comma", "a in (b) c", "expected: ',' or end of string"},
  };
  for (const Case& c : cases) {
    auto selector = Selector::parse(c.text);
    ASSERT_FALSE(selector) << c.label;
    EXPECT_NE(selector.error().message.find(c.words), std::string::npos)
        << c.label << ": " << selector.error().message;
  }
}

}  // namespace
}  // namespace tidegate::live::kube
