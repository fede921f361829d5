#include "live/net/child_words.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace tidegate::net {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ChildWords, a_childs_environment_is_ours_less_some_names_with_others_over_it) {
  ::setenv("CHILD_WORDS_KEPT", "a=b", 1);
  ::setenv("CHILD_WORDS_SECRET", "x", 1);
  auto words = environment_with({{"CHILD_WORDS_NEW", "1"}, {"PATH", "/nowhere"}},
                                {"CHILD_WORDS_SECRET", "CHILD_WORDS_NEW"});
  EXPECT_THAT(words, Contains("CHILD_WORDS_KEPT=a=b"));
  EXPECT_THAT(words, Contains("CHILD_WORDS_NEW=1"));
  EXPECT_THAT(words, Contains("PATH=/nowhere"));
  EXPECT_THAT(words, Each(Not(StartsWith("CHILD_WORDS_SECRET"))));
  auto pointers = pointers_to(words);
  ASSERT_EQ(pointers.size(), words.size() + 1);
  EXPECT_EQ(pointers.back(), nullptr);
  EXPECT_STREQ(pointers.front(), words.front().c_str());
}

}  // namespace
}  // namespace tidegate::net
