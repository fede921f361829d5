#include "live/aws/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tidegate::live::aws {
namespace {

using ::testing::HasSubstr;

using Variables = std::map<std::string, std::string>;
Environment environment(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    auto it = variables.find(name);
    if (it == variables.end()) return std::nullopt;
    return it->second;
  };
}

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aws-XXXXXX").string();
    home = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(home + "/.aws");
    write("config", R"(# of everybody
[default]
region = eu-central-1
[profile prod]
role_arn = arn:aws:iam::1:role/prod
source_profile = base
external_id = x
s3 =
    role_arn = nested, and not ours
[profile web]
role_arn=arn:aws:iam::1:role/web
web_identity_token_file=/run/token
[profile sso]
sso_session = corp
[profile lost]
role_arn = r
source_profile = nowhere
)");
    write("credentials", "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s+/=\n");
  }
  ~Files() override { std::filesystem::remove_all(home); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(home + "/.aws/" + name) << text;
  }
  Result<Source> find(Variables variables, const std::string& profile = "") const {
    variables.emplace("HOME", home);
    return find_source({.profile = profile, .region = "eu-central-1", .endpoint = ""},
                       environment(std::move(variables)));
  }
  std::string home;
};

TEST_F(Files, KeysAreFoundInTheOrderOfAwsOwnTools) {
  const Variables keys = {
      {"AWS_ACCESS_KEY_ID", "AKIA"}, {"AWS_SECRET_ACCESS_KEY", "s"}, {"AWS_SESSION_TOKEN", "t"}};
  auto with = [](Variables base, Variables more) {
    base.merge(more);
    return base;
  };
  auto all = with(keys, {{"AWS_PROFILE", "base"}});
  EXPECT_EQ(std::get<Keys>(find(all)->from).session_token, "t") << "the environment's keys first";
  EXPECT_EQ(std::get<Keys>(find(all, "base")->from).access_key, "AKIABASE")
      << "but a profile in the spec is meant";

  Variables web = {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/run/t"}, {"AWS_ROLE_ARN", "arn"}};
  EXPECT_EQ(std::get<WebIdentity>(find(web)->from).session_name, "tidegate");
  Variables agent = {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}};
  EXPECT_EQ(std::get<ContainerAgent>(find(agent)->from).url, "http://169.254.170.2/v2/x");
  EXPECT_TRUE(std::holds_alternative<WebIdentity>(find(with(web, agent))->from));
  EXPECT_TRUE(std::holds_alternative<InstanceRole>(find({})->from)) << "at last the instance";
}

TEST_F(Files, ProfilesSayRolesAndKeys) {
  auto prod = find({}, "prod");
  ASSERT_TRUE(prod) << prod.error().message;
  const auto& role = std::get<AssumedRole>(prod->from);
  EXPECT_EQ(role.role_arn, "arn:aws:iam::1:role/prod");
  EXPECT_EQ(role.external_id, "x");
  EXPECT_EQ(role.by.secret, "s+/=");
  EXPECT_EQ(std::get<WebIdentity>(find({{"AWS_PROFILE", "web"}})->from).token_file, "/run/token");
}

TEST_F(Files, WhatIsMissingIsNamedWithTheFix) {
  struct Row {
    const char* label;
    Variables variables;
    const char* profile;
    const char* message;
  };
  const Row rows[] = {
      {"half a pair", {{"AWS_ACCESS_KEY_ID", "A"}}, "", "AWS_SECRET_ACCESS_KEY is not"},
      {"a token without a role",
       {{"AWS_WEB_IDENTITY_TOKEN_FILE", "/t"}},
       "",
       "AWS_ROLE_ARN is not"},
      {"a profile that nobody wrote", {}, "prd", "AWS profile prd is in neither"},
      {"single sign-on", {}, "sso", "aws configure export-credentials --profile sso"},
      {"a source that is not there", {}, "lost", "source_profile nowhere"},
      {"an agent far away",
       {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/keys"}},
       "",
       "from loopback, 169.254.170.2"},
      {"nothing, and the instance may not be asked",
       {{"AWS_EC2_METADATA_DISABLED", "true"}},
       "",
       "set AWS_ACCESS_KEY_ID"},
  };
  for (const Row& row : rows) {
    auto found = find(row.variables, row.profile);
    ASSERT_FALSE(found) << row.label;
    EXPECT_THAT(found.error().message, HasSubstr(row.message)) << row.label;
  }
}

TEST(Endpoint, TheSpecsWinsThenTheServicesThenEverybodys) {
  const Wish wish{.profile = "", .region = "eu-central-1", .endpoint = ""};
  Wish own = wish;
  own.endpoint = "http://here/";
  const Variables variables = {{"AWS_ENDPOINT_URL", "http://all"},
                               {"AWS_ENDPOINT_URL_AUTO_SCALING", "http://asg/"}};
  EXPECT_EQ(endpoint_of("autoscaling", own, environment(variables)), "http://here");
  EXPECT_EQ(endpoint_of("autoscaling", wish, environment(variables)), "http://asg");
  EXPECT_EQ(endpoint_of("ec2", wish, environment(variables)), "http://all");
  EXPECT_EQ(endpoint_of("monitoring", wish, environment({})),
            "https://monitoring.eu-central-1.amazonaws.com");
  EXPECT_EQ(
      endpoint_of("ec2", {.profile = "", .region = "cn-north-1", .endpoint = ""}, environment({})),
      "https://ec2.cn-north-1.amazonaws.com.cn");
}

}  // namespace
}  // namespace tidegate::live::aws
