#include "live/emulator/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tidegate::live {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<EmulatorOptions> from(const std::map<std::string, std::string>& environment) {
  EmulatorOptions options;
  auto ok = apply_environment(options, [&](const char* name) {
    auto at = environment.find(name);
    return at == environment.end() ? nullptr : at->second.c_str();
  });
  if (!ok) return fail(ok.error());
  return options;
}

TEST(Environment, AllOfItIsRead) {
  auto o = from({{"TIDEGATE_ENGINE_MODEL", "acme/m"},
                 {"TIDEGATE_ENGINE_PROFILE", "reference"},
                 {"TIDEGATE_ENGINE_COLD_START", "image=2s,engine=3s"},
                 {"TIDEGATE_ENGINE_MAX_NUM_SEQS", "7"},
                 {"TIDEGATE_ENGINE_TIME_SCALE", "2.5"},
                 {"TIDEGATE_ENGINE_SEED", "18446744073709551615"},
                 {"VLLM_SERVER_DEV_MODE", "1"},
                 {"VLLM_ALLOW_RUNTIME_LORA_UPDATING", "True"}});
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_THAT(o->served_names, ElementsAre("acme/m"));
  EXPECT_EQ(o->profile, engine::Profile());
  EXPECT_EQ(o->cold_start.image.p50, seconds(2));
  EXPECT_EQ(o->max_num_seqs, 7);
  EXPECT_EQ(o->time_scale, 2.5);
  EXPECT_EQ(o->seed, ~std::uint64_t{0});
  EXPECT_TRUE(o->dev_mode && o->runtime_lora);
}

TEST(Environment, EmptyMeansNotSet) {
  auto o = from({{"TIDEGATE_ENGINE_MODEL", ""}, {"VLLM_SERVER_DEV_MODE", "0"}});
  ASSERT_TRUE(o);
  EXPECT_EQ(o->served_names, EmulatorOptions().served_names);
  EXPECT_FALSE(o->dev_mode || o->runtime_lora);
}

TEST(Environment, AnErrorNamesTheVariable) {
  for (auto [name, value] : {std::pair("TIDEGATE_ENGINE_PROFILE", "no-such-profile"),
                             {"TIDEGATE_ENGINE_COLD_START", "soon"},
                             {"TIDEGATE_ENGINE_MAX_NUM_SEQS", "7x"},
                             {"TIDEGATE_ENGINE_TIME_SCALE", "fast"},
                             {"TIDEGATE_ENGINE_SEED", "-1"}}) {
    auto o = from({{name, value}});
    ASSERT_FALSE(o) << name;
    EXPECT_THAT(o.error().message, HasSubstr(name));
  }
}

}  // namespace
}  // namespace tidegate::live
