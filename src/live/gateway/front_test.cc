#include "live/gateway/front.h"

#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

TEST(Front, DeadlinesAreSecondsOrCarryAUnit) {
  struct Row {
    const char* text;
    std::optional<Duration> expected;
  };
  const Row rows[] = {{"2.5", millis(2500)}, {"500ms", millis(500)}, {"30s", seconds(30)},
                      {"2m", seconds(120)},  {"24h", kMaxDeadline},  {"25h", std::nullopt},
                      {"0", std::nullopt},   {"-1", std::nullopt},   {"nan", std::nullopt},
                      {"", std::nullopt},    {"5 s", std::nullopt},  {"s", std::nullopt}};
  for (const Row& row : rows) EXPECT_EQ(parse_deadline(row.text), row.expected) << row.text;
}

TEST(Front, PriorityIsAClassByNameElseDefaultElseTheMostUrgent) {
  spec::Model m;
  EXPECT_EQ(parse_priority("anything", m).value(), 0);
  m.priority_classes = {{"live", 4}, {"batch", 1}};
  EXPECT_EQ(parse_priority("batch", m).value(), 1);
  EXPECT_EQ(parse_priority("", m).value(), 0);
  EXPECT_FALSE(parse_priority("gold", m));
  m.priority_classes.push_back({"default", 1});
  EXPECT_EQ(parse_priority("", m).value(), 2);
}

}  // namespace
}  // namespace tidegate::live
