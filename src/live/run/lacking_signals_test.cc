#include "live/run/lacking_signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace tidegate::live {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

signal::Signal told() {
  return {.value = 1, .freshness = signal::Freshness::kFresh, .coverage = 1};
}

TEST(LackingSignals, NothingIsSaidOfWhatDoesNotRun) {
  signal::VariantObservation seen;
  EXPECT_THAT(lacking_signals(seen), IsEmpty());
  EXPECT_FALSE(unread(seen));
}

TEST(LackingSignals, APageThatIsNotServedLacksAllAndIsUnread) {
  signal::VariantObservation seen;
  seen.fleet.ready = Replicas(1);
  EXPECT_THAT(lacking_signals(seen),
              ElementsAre("running_requests", "waiting_requests", "kv_usage"));
  EXPECT_TRUE(unread(seen));
}

TEST(LackingSignals, ATgiHasNoKvAndItsRatesAreNotMissedBeforeTheSecondPage) {
  signal::VariantObservation seen;
  seen.fleet.ready = Replicas(1);
  seen.running_requests = seen.engine_waiting_requests = told();
  EXPECT_THAT(lacking_signals(seen), ElementsAre("kv_usage"));
  EXPECT_FALSE(unread(seen));
  seen.output_tokens_per_second = seen.prompt_tokens_per_second = told();
  EXPECT_THAT(lacking_signals(seen), ElementsAre("kv_usage", "preemptions", "finished_requests"));
}

TEST(LackingSignals, EveryEngineHasItsOwnHint) {
  std::set<std::string_view> hints;
  for (std::size_t i = 0; i < std::size(EnumTokens<spec::EngineType>::kTokens); ++i) {
    const auto hint = metrics_hint(static_cast<spec::EngineType>(i));
    EXPECT_TRUE(hint.starts_with("GET /")) << EnumTokens<spec::EngineType>::kTokens[i];
    EXPECT_TRUE(hints.insert(hint).second) << hint;
  }
}

}  // namespace
}  // namespace tidegate::live
