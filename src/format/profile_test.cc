#include "format/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/rng.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using testing::HasSubstr;

TEST(Profile, TheReferenceFileIsTheBuiltInOne) {
  std::ifstream file(std::string(TIDEGATE_SOURCE_DIR) + "/profiles/reference.yaml");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  auto profile = parse_profile(text, "reference.yaml");
  ASSERT_TRUE(profile.has_value()) << profile.error().message;
  EXPECT_EQ(*profile, engine::Profile{});
  EXPECT_EQ(profile_yaml(engine::Profile{}), text);
}

TEST(Profile, FemtosecondsAreExactBothWays) {
  const std::pair<const char*, std::int64_t> rows[] = {{"10ms", 10'000'000'000'000},
                                                       {"0.12us", 120'000'000},
                                                       {"0.2ns", 200'000},
                                                       {"3ps", 3'000},
                                                       {"7fs", 7},
                                                       {"0.000001ns", 1},
                                                       {"0s", 0},
                                                       {"1.50ms", 1'500'000'000'000}};
  for (auto& [text, femtos] : rows) EXPECT_EQ(parse_femtos(text).value(), femtos) << text;
  Rng rng(1, "femtos");
  for (int i = 0; i < 10'000; ++i) {
    auto n = static_cast<std::int64_t>(rng.next() >> (4 + rng.below(59)));
    ASSERT_EQ(parse_femtos(format_femtos(n)).value(), n) << format_femtos(n);
  }
}

TEST(Profile, TimesAreRefusedWithTheirForm) {
  const std::pair<const char*, const char*> rows[] = {
      {"10", "has no unit"},
      {"10min", "unknown unit"},
      {"0.5fs", "finer than a femtosecond"},
      {"1.2.3ms", "not a number"},
      {"99999999999999999ms", "out of range"},
      {"ms", "out of range"},
      {"123456789012345678901fs", "too many digits"}};
  for (auto& [text, message] : rows) {
    auto femtos = parse_femtos(text);
    ASSERT_FALSE(femtos.has_value()) << text;
    EXPECT_THAT(femtos.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(femtos.error().message, HasSubstr("write a time such as 10ms")) << text;
  }
}

TEST(Profile, EveryFaultOfAFileHasItsPlace) {
  std::string good = profile_yaml(engine::Profile{});
  struct Row {
    const char* label;
    const char* from;
    const char* to;
    const char* message;
  };
  const Row rows[] = {
      {"a time without a unit", "c0: 10ms", "c0: 10",
       "p.yaml:3:5: error: c0: \"10\" has no unit; write a time such as 10ms"},
      {"a key with a typo", "kvTokens:", "kvToken:",
       "p.yaml:8:1: error: profile: unknown key \"kvToken\"; did you mean \"kvTokens\"?"},
      {"a count of nothing", "blockSize: 16", "blockSize: 0",
       "p.yaml:9:12: error: blockSize: 0 is too small; expected a whole number from 1 to 65536"},
      {"a count in words", "blockSize: 16", "blockSize: many",
       "blockSize: \"many\" is not a whole number"},
      {"a step of no time", "c0: 10ms", "c0: 0ms\nc1: 0ms", "the key \"c1\" is there already"},
      {"fewer tokens than sequences", "maxNumBatchedTokens: 2048", "maxNumBatchedTokens: 255",
       "maxNumBatchedTokens is below maxNumSeqs"},
      {"less than a block", "kvTokens: 400000", "kvTokens: 15", "kvTokens is less than one block"},
      {"a missing key", "maxNumSeqs: 256", "", "p.yaml:1:1: error: \"maxNumSeqs\" is missing"},
      {"a flag that is a number", "maxNumSeqs: 256", "maxNumSeqs: 256\nasyncScheduling: 1",
       "asyncScheduling: \"1\"; expected true or false"},
      {"no rank at all", "maxNumSeqs: 256", "maxNumSeqs: 256\ndataParallelSize: 0",
       "dataParallelSize: 0 is too small; expected a whole number from 1 to 1024"},
      {"broken YAML", "c0:", "c0: [", "this list has no closing ]"},
      {"two documents", "blockSize", "---\nblockSize",
       "expected one document with the keys of a profile, found 2"},
  };
  for (const Row& row : rows) {
    std::string text = good;
    text.replace(text.find(row.from), std::string(row.from).size(), row.to);
    auto profile = parse_profile(text, "p.yaml");
    ASSERT_FALSE(profile.has_value()) << row.label;
    EXPECT_THAT(profile.error().message, HasSubstr(row.message)) << row.label;
  }
  EXPECT_THAT(parse_profile("", "p.yaml").error().message, HasSubstr("found 0"));
  EXPECT_THAT(parse_profile("- 1", "p.yaml").error().message, HasSubstr("got a list"));
}

TEST(Profile, RanksAndSchedulingMayBeLeftOutAndReadBack) {
  engine::Profile profile;
  profile.provenance = "a run: \"quoted\", #5\nsecond line";
  profile.data_parallel_size = 8;
  profile.async_scheduling = profile.reserve_full_prompt = 1;
  auto read = parse_profile(profile_yaml(profile), "p.yaml");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, profile);
}

TEST(Profile, EveryShippedFileReadsBackAsItself) {
  std::size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TIDEGATE_SOURCE_DIR) + "/profiles")) {
    std::ifstream file(entry.path());
    std::string text{std::istreambuf_iterator<char>(file), {}};
    auto profile = parse_profile(text, entry.path().filename().string());
    ASSERT_TRUE(profile.has_value()) << profile.error().message;
    EXPECT_EQ(profile->name, entry.path().stem().string());
    EXPECT_EQ(profile_yaml(*profile), text) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 1u);
}

TEST(Profile, IsFoundByNameThenByPath) {
  std::string directory = std::string(TIDEGATE_SOURCE_DIR) + "/profiles";
  EXPECT_EQ(load_profile("reference", {}).value(), engine::Profile{}) << "built in";
  EXPECT_EQ(load_profile(directory + "/reference.yaml", {}).value(), engine::Profile{});
  EXPECT_EQ(load_profile("nobody", {directory, "/none"}).error().message,
            "there is no profile \"nobody\" in " + directory + ", /none; built in: reference");
  EXPECT_EQ(load_profile("./nobody.yaml", {}).error().message,
            "profile ./nobody.yaml: no such file; check the path");
}

TEST(Profile, TravelsWithTheSpecItWasResolvedFor) {
  const std::string directory = ::testing::TempDir();
  engine::Profile mine;
  mine.name = "mine";
  mine.c0_fs = 7;
  std::ofstream(directory + "/mine.yaml") << profile_yaml(mine);
  const std::string spec =
      "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: m}\n"
      "spec:\n  variants:\n    - {name: a, engine: {profile: mine}}\n    - {name: b}\n"
      "    - {name: c, engine: {profile: mine}}";
  SpecFile file = load_spec(spec, "m.yaml");
  ASSERT_TRUE(file.ok());
  LoadedModel& loaded = file.models[0];
  const std::uint64_t before = loaded.hash;
  EXPECT_EQ(resolve_profiles(loaded, {}).error().message,
            "variant a: there is no profile \"mine\" in ; built in: reference");
  ASSERT_TRUE(resolve_profiles(loaded, {directory}).has_value());
  EXPECT_NE(loaded.hash, before) << "another profile is another spec";
  SpecFile again = load_recorded_spec(loaded.yaml, "journal");
  ASSERT_TRUE(again.ok()) << again.diagnostics.front().text();
  EXPECT_EQ(again.models[0].model, loaded.model);
  EXPECT_EQ(again.models[0].model.variants[2].profile, mine);
  EXPECT_EQ(again.models[0].model.variants[1].profile, engine::Profile{});
}

}  // namespace
}  // namespace tidegate::format
