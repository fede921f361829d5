#include "live/kube/outages.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidegate::live::kube {
namespace {

const Resource kServe{"v1", "pods", "serve"}, kOther{"v1", "pods", "other"};

TEST(Outages, WhatFailsAlikeIsSaidByTheFirstAlone) {
  struct Row {
    const char* label;
    int code;
    bool said;
  };
  const Row rows[] = {
      {"no answer, as before", 0, false},
      {"throttled: the server again", 429, false},
      {"credentials refused: likewise", 401, false},
      {"an error of its own", 500, false},
      {"a right that lacks in that namespace", 403, true},
      {"which is not there", 404, false},
  };
  Outages outages;
  std::vector<Outages::Part> parts(1);
  EXPECT_TRUE(outages.join(parts[0], "pods", ApiError{.code = 0}, kServe));
  for (const Row& row : rows) {
    parts.emplace_back();
    EXPECT_EQ(outages.join(parts.back(), "pods", ApiError{.code = row.code}, kOther), row.said)
        << row.label;
    EXPECT_FALSE(outages.join(parts.back(), "pods", ApiError{.code = 403}, kServe))
        << row.label << ": who is in one stays in it";
  }
  Outages::Part slices;
  EXPECT_TRUE(outages.join(slices, "endpoint slices", ApiError{.code = 0}, kServe))
      << "other things that cannot be done are said too";
}

TEST(Outages, ItIsOverOnceTheLastHasLeftOrDiedAndThenSaidAgain) {
  Outages outages;
  Outages::Part a, b;
  auto c = std::make_unique<Outages::Part>();
  for (auto* part : {&a, &b, c.get()}) outages.join(*part, "pods", ApiError{}, kServe);
  EXPECT_EQ(Outages::leave(a), std::nullopt);
  EXPECT_EQ(Outages::leave(a), std::nullopt) << "twice counts once";
  c.reset();
  EXPECT_EQ(Outages::leave(b), 3u) << "all who were in it";
  EXPECT_TRUE(outages.join(a, "pods", ApiError{}, kServe));
  a.reset();
  EXPECT_TRUE(outages.join(b, "pods", ApiError{}, kServe)) << "it ended with its only part";
}

}  // namespace
}  // namespace tidegate::live::kube
