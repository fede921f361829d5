#include "core/base/label.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(Label, PointsToALiteralAndKeepsWhatWasRead) {
  const Label said = "in_flight_requests";
  Label copy;
  {
    const Label read{std::string("in_flight_") + "requests"};
    EXPECT_EQ(read, said);
    copy = read;
  }
  EXPECT_EQ(copy, said);  // the text outlives the label it was read into
  EXPECT_EQ(copy.text(), "in_flight_requests");
  EXPECT_EQ(Label(), Label(""));
}

}  // namespace
}  // namespace tidegate
