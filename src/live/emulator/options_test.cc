#include "live/emulator/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::live {
namespace {

using ::testing::HasSubstr;

TEST(Faults, AreReadAsWritten) {
  Faults faults;
  for (const char* text : {"crash-after=3", "hang-after=0", "slow=2.5", "lying-metrics=frozen",
                           "refuse-health", "exit-at-start"}) {
    EXPECT_TRUE(add_fault(faults, text)) << text;
  }
  EXPECT_EQ(faults.crash_after, 3);
  EXPECT_EQ(faults.hang_after, 0);
  EXPECT_EQ(faults.slow, 2.5);
  EXPECT_EQ(faults.lying_metrics, LyingMetrics::kFrozen);
  EXPECT_TRUE(faults.refuse_health && faults.exit_at_start);
}

TEST(Faults, RefuseWhatIsNone) {
  for (const char* text :
       {"", "explode", "crash-after", "crash-after=-1", "crash-after=1x", "slow=0.5", "slow=nan",
        "lying-metrics=", "lying-metrics=true", "refuse-health=1"}) {
    Faults faults;
    EXPECT_FALSE(add_fault(faults, text)) << text;
  }
}

TEST(ColdStartText, RoundTrips) {
  struct Row {
    const char* what;
    const char* text;
    const char* back;
  };
  const Row rows[] = {
      {"a duration is the engine's", "60s", "engine=1m"},
      {"a spread too", "25s/40s", "engine=25s/40s"},
      {"nothing", "0s", "0s"},
      {"all stages", "procurement=2m,image=40s,weights=20s,engine=25s/40s,wake1=2s,wake2=20s",
       "procurement=2m,image=40s,weights=20s,engine=25s/40s,wake1=2s,wake2=20s"},
  };
  for (const Row& row : rows) {
    auto cold = parse_cold_start(row.text);
    ASSERT_TRUE(cold) << row.what << cold.error().message;
    EXPECT_EQ(format_cold_start(*cold), row.back) << row.what;
    EXPECT_EQ(*parse_cold_start(row.back), *cold) << row.what;
  }
}

TEST(ColdStartText, GivesWeightsInBytesTheirTime) {
  spec::ColdStart cold;
  cold.weights.bytes = 30'000'000'000;
  cold.weights.from = spec::WeightSource::kNvme;  // 3 GB/s
  EXPECT_EQ(format_cold_start(cold), "weights=10s");
  cold.weights.bandwidth_bytes_per_second = 1'500'000'000;
  EXPECT_EQ(format_cold_start(cold), "weights=20s");
  cold.weights.from = spec::WeightSource::kImage;
  EXPECT_EQ(format_cold_start(cold), "0s");
}

TEST(ColdStartText, SaysWhatIsWrong) {
  struct Row {
    const char* text;
    const char* says;
  };
  const Row rows[] = {{"weights=", "weights"},
                      {"boot=3s", "unknown stage"},
                      {"engine=40s/25s", "p50"},
                      {"engine=3s,image", "STAGE=TIME"},
                      {"sixty", "cold start"}};
  for (const Row& row : rows) {
    auto cold = parse_cold_start(row.text);
    ASSERT_FALSE(cold) << row.text;
    EXPECT_THAT(cold.error().message, HasSubstr(row.says));
  }
}

TEST(EmulatorOptions, AreCheckedAtTheirBounds) {
  struct Row {
    const char* what;
    void (*set)(EmulatorOptions&);
    const char* says;  // nullptr: fine
  };
  const Row rows[] = {
      {"the defaults", [](EmulatorOptions&) {}, nullptr},
      {"no name", [](EmulatorOptions& o) { o.served_names.clear(); }, "served name"},
      {"no sequence", [](EmulatorOptions& o) { o.max_num_seqs = 0; }, "--max-num-seqs"},
      {"a context as long as the profile's", [](EmulatorOptions& o) { o.max_model_len = 131'072; },
       nullptr},
      {"one longer", [](EmulatorOptions& o) { o.max_model_len = 131'073; }, "--max-model-len"},
      {"a context over the KV", [](EmulatorOptions& o) { o.profile.kv_tokens = 1000; },
       "does not fit"},
      {"modules without LoRA",
       [](EmulatorOptions& o) {
         o.lora_modules = {{"a", "/a"}};
       },
       "--enable-lora"},
      {"time that stands", [](EmulatorOptions& o) { o.time_scale = 0; }, "--time-scale"},
      {"time at its limit", [](EmulatorOptions& o) { o.time_scale = kMaxTimeScale; }, nullptr},
      {"time beyond it", [](EmulatorOptions& o) { o.time_scale = kMaxTimeScale + 1; },
       "--time-scale"},
  };
  for (const Row& row : rows) {
    EmulatorOptions options;
    row.set(options);
    auto ok = options.check();
    EXPECT_EQ(ok.has_value(), row.says == nullptr) << row.what;
    if (ok || row.says == nullptr) continue;
    EXPECT_THAT(ok.error().message, HasSubstr(row.says)) << row.what;
  }
}

}  // namespace
}  // namespace tidegate::live
