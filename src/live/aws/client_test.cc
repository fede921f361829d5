#include "live/aws/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "live/aws/auto_scaling.h"
#include "live/aws/testing/fake_aws.h"

namespace tidegate::live::aws {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ClientTest : public ::testing::Test {
 protected:
  using Variables = std::map<std::string, std::string>;
  ClientTest() { aws.add_group("g").desired = 2; }
  ~ClientTest() override { ::unlink(token_file.c_str()); }

  std::unique_ptr<Client> client(Variables variables) {
    ClientOptions options;
    options.first_pause = millis(1);
    variables.emplace("HOME", "/nonexistent");
    variables.emplace("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url());
    return std::make_unique<Client>(
        *loop, http, Wish{"", FakeAws::kRegion, aws.url()},
        [variables](const std::string& name) -> std::optional<std::string> {
          auto it = variables.find(name);
          if (it == variables.end()) return std::nullopt;
          return it->second;
        },
        options);
  }
  std::unique_ptr<Client> client() { return client(kKeys); }

  /// The group's desired capacity, or the error's words.
  std::string ask(Client& client) {
    std::string out;
    read_group(client, "g", [&](AwsResult<Group> group) {
      out = group ? std::to_string(group->desired) : group.error().message;
    });
    EXPECT_EQ(out, "") << "told from inside the call";
    EXPECT_TRUE(loop->run_until([&] { return !out.empty(); }, seconds(20)));
    return out;
  }
  std::string token_file_with(const std::string& text) {
    token_file =
        (std::filesystem::temp_directory_path() / ("aws-token-" + std::to_string(::getpid())))
            .string();
    std::ofstream(token_file) << text;
    return token_file;
  }

  const Variables kKeys = {{"AWS_ACCESS_KEY_ID", FakeAws::kKey},
                           {"AWS_SECRET_ACCESS_KEY", FakeAws::kSecret}};
  std::string token_file;
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpClient http{*loop};
  FakeAws aws{*loop};
};

TEST_F(ClientTest, EveryWayToKeysLeadsToAnAnswer) {
  aws.identities["ASIA0"] = {"s0", "session-0", false};
  const Variables rows[] = {
      kKeys,
      {{"AWS_ACCESS_KEY_ID", "ASIA0"},
       {"AWS_SECRET_ACCESS_KEY", "s0"},
       {"AWS_SESSION_TOKEN", "session-0"}},
      {{"AWS_WEB_IDENTITY_TOKEN_FILE", token_file_with("web-token\n")}, {"AWS_ROLE_ARN", aws.role}},
      {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.url() + "/agent"},
       {"AWS_CONTAINER_AUTHORIZATION_TOKEN", aws.agent_authorization}},
      {},  // the instance's role
  };
  for (const Variables& row : rows) {
    auto one = client(row);
    EXPECT_EQ(ask(*one), "2") << (row.empty() ? "the instance" : row.begin()->first);
  }
  EXPECT_EQ(aws.handed_out, 3);
  EXPECT_EQ(aws.metadata_tokens, 1);
}

TEST_F(ClientTest, ARoleIsAssumedByTheKeysOfAnotherProfile) {
  const std::string file = token_file_with(
      "[base]\naws_access_key_id=AKIATEST\naws_secret_access_key=secret/of+test\n"
      "[default]\nsource_profile=base\nrole_arn=" +
      aws.role + "\n");
  auto one = client({{"AWS_SHARED_CREDENTIALS_FILE", file}});
  EXPECT_EQ(ask(*one), "2");
  EXPECT_THAT(aws.last("AssumeRole"), HasSubstr("RoleSessionName=tidegate"));
}

TEST_F(ClientTest, KeysAreFetchedOnceAndAgainWhenTheyAreAboutToEndOrRefused) {
  auto one = client(Variables{});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(*one), "2");
  EXPECT_EQ(aws.handed_out, 1);
  aws.identities["ASIA1"].expired = true;
  EXPECT_EQ(ask(*one), "2") << "AWS calls them expired";
  EXPECT_EQ(aws.handed_out, 2);
  aws.forget_metadata_token();
  aws.identities["ASIA2"].expired = true;
  EXPECT_EQ(ask(*one), "2") << "and the metadata's own token has ended too";
  EXPECT_EQ(aws.metadata_tokens, 2);

  aws.expiration = "2020-01-01T00:00:00Z";  // what is handed out has ended already
  auto other = client(Variables{});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(*other), "2");
  EXPECT_EQ(aws.handed_out, 5) << "each call fetches its own";
}

TEST_F(ClientTest, ABehindAHopLimitIsSaidToBeSo) {
  aws.out_of_reach = true;
  auto one = client(Variables{});
  EXPECT_THAT(ask(*one), HasSubstr("--http-put-response-hop-limit 2"));
  const auto tried = aws.metadata_tokens;
  EXPECT_THAT(ask(*one), HasSubstr("hop-limit")) << "not asked again within the pause";
  EXPECT_EQ(aws.metadata_tokens, tried);
}

TEST_F(ClientTest, ThrottledCallsAreAskedAgainAndNotForEver) {
  auto one = client();
  aws.faults["DescribeAutoScalingGroups"] = {"Throttling", "Rate exceeded", 400,
                                             Client::kMaxAttempts - 1};
  EXPECT_EQ(ask(*one), "2");
  EXPECT_EQ(aws.count("DescribeAutoScalingGroups"), Client::kMaxAttempts);
  aws.calls.clear();
  aws.faults["DescribeAutoScalingGroups"] = {"RequestLimitExceeded", "Request limit exceeded.", 503,
                                             Client::kMaxAttempts};
  EXPECT_THAT(ask(*one), HasSubstr("RequestLimitExceeded"));
  EXPECT_EQ(aws.count("DescribeAutoScalingGroups"), Client::kMaxAttempts);
}

TEST_F(ClientTest, RefusalsNameTheCodeAndTheFixAndNoSecret) {
  struct Row {
    const char* label;
    Variables variables;
    const char* denied;
    const char* message;
  };
  const Row rows[] = {
      {"an unknown key",
       {{"AWS_ACCESS_KEY_ID", "AKIAOTHER"}, {"AWS_SECRET_ACCESS_KEY", "hidden"}},
       "",
       "InvalidClientTokenId"},
      {"another secret",
       {{"AWS_ACCESS_KEY_ID", FakeAws::kKey}, {"AWS_SECRET_ACCESS_KEY", "hidden"}},
       "",
       "check the secret key, and the clock"},
      {"a right that is missing", kKeys, "DescribeAutoScalingGroups",
       "allow autoscaling:DescribeAutoScalingGroups in its IAM policy"},
  };
  for (const Row& row : rows) {
    aws.denied = {row.denied};
    auto one = client(row.variables);
    const std::string said = ask(*one);
    EXPECT_THAT(said, HasSubstr(row.message)) << row.label;
    EXPECT_THAT(said, Not(HasSubstr("hidden"))) << row.label;
    EXPECT_THAT(said, Not(HasSubstr(FakeAws::kSecret))) << row.label;
  }
}

TEST_F(ClientTest, AClockThatIsOffIsToldByHowMuchAndWhatToDo) {
  using std::chrono::minutes;
  struct Row {
    const char* label;
    minutes ahead;  ///< of AWS's clock
    const char* says;
  };
  const Row rows[] = {
      {"ours is behind, and still taken", minutes(14), "2"},
      {"ours is ahead, and still taken", minutes(-14), "2"},
      {"ours is behind", minutes(20),
       "(this machine's clock is 20 minutes behind AWS's: set it, by NTP)"},
      {"ours is ahead", minutes(-40),
       "(this machine's clock is 40 minutes ahead of AWS's: set it, by NTP)"},
  };
  for (const Row& row : rows) {
    // Half a minute more, so that whole minutes are what they are however long an answer takes.
    aws.clock_ahead = row.ahead + std::chrono::seconds(row.ahead.count() > 0 ? 30 : -30);
    auto one = client();
    EXPECT_THAT(ask(*one), HasSubstr(row.says)) << row.label;
    std::string said;
    auto describe = [&](Answer answer) { said = answer ? "2" : answer.error().message; };
    one->call(kEc2, "DescribeInstances", {}, describe);
    ASSERT_TRUE(loop->run_until([&] { return !said.empty(); }, seconds(20)));
    EXPECT_THAT(said, HasSubstr(row.says)) << row.label << ", by EC2";
  }
  aws.clock_ahead = minutes(20);
  const std::string file = token_file_with(
      "[base]\naws_access_key_id=AKIATEST\naws_secret_access_key=secret/of+test\n"
      "[default]\nsource_profile=base\nrole_arn=" +
      aws.role + "\n");
  auto by_role = client({{"AWS_SHARED_CREDENTIALS_FILE", file}});
  EXPECT_THAT(ask(*by_role), HasSubstr("sts AssumeRole: SignatureDoesNotMatch"));
  EXPECT_THAT(ask(*by_role), HasSubstr("minutes behind AWS's"));
}

TEST_F(ClientTest, NoAnswerIsSaidAndNotRepeated) {
  auto one = client();
  aws.down = true;
  EXPECT_THAT(ask(*one), HasSubstr("autoscaling DescribeAutoScalingGroups: "));
  aws.down = false;
  EXPECT_EQ(aws.count("DescribeAutoScalingGroups"), 0);
  EXPECT_EQ(ask(*one), "2");
}

TEST_F(ClientTest, AGroupThatIsNotThereIsNamed) {
  auto one = client();
  std::string said;
  read_group(*one, "nowhere", [&](AwsResult<Group> group) { said = group.error().message; });
  ASSERT_TRUE(loop->run_until([&] { return !said.empty(); }, seconds(20)));
  EXPECT_THAT(said, HasSubstr("no auto scaling group nowhere in eu-central-1"));
}

TEST_F(ClientTest, AWarmPoolIsReadPageByPageAndNotForEver) {
  FakeGroup& group = aws.add_group("warm");
  group.pool = true;
  auto sleep = [&](int how_many) {
    group.instances.clear();
    for (int i = 0; i < how_many; ++i) {
      FakeInstance one;
      one.id = "i-" + std::to_string(i);
      one.lifecycle = "Warmed:Stopped";
      group.instances.push_back(one);
    }
  };
  auto one = client();
  auto read = [&] {
    std::string said;
    read_warm_pool(*one, "warm", [&](AwsResult<WarmPool> pool) {
      said = pool ? std::to_string(pool->instances.size()) + " asleep" : pool.error().message;
    });
    EXPECT_TRUE(loop->run_until([&] { return !said.empty(); }, seconds(20)));
    return said;
  };
  struct Row {
    const char* label;
    int asleep, page;
    const char* says;
  };
  const Row rows[] = {{"nobody", 0, 50, "0 asleep"},
                      {"one page, full", 50, 50, "50 asleep"},
                      {"one more than a page", 51, 50, "51 asleep"},
                      {"as many pages as are read", kMaxPoolPages, 1, "40 asleep"},
                      {"one page more", kMaxPoolPages + 1, 1, "goes on after 40 pages"}};
  for (const Row& row : rows) {
    sleep(row.asleep);
    group.pool_page = row.page;
    EXPECT_THAT(read(), HasSubstr(row.says)) << row.label;
  }
}

TEST_F(ClientTest, AClientMayDieWithCallsUnderWay) {
  auto one = client(Variables{});
  bool told = false;
  read_group(*one, "g", [&](const AwsResult<Group>&) { told = true; });
  one.reset();
  loop->run_for(millis(5));
  EXPECT_FALSE(told);
}

TEST(Query, AFormKeepsWhatItIsGiven) {
  EXPECT_EQ(form({{"A", "x y"}, {"B", "a&b=c/ü~"}}), "A=x%20y&B=a%26b%3Dc%2F%C3%BC~");
}

TEST(Query, AWrongSecretIsNotBlamedOnAClockThatIsNearlyRight) {
  const std::string body =
      "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>m</Message></Error>"
      "</ErrorResponse>";
  const WallTime now = WallTime::from_unix_nanos(seconds(1'767'323'045).count());  // 03:04:05
  struct Row {
    const char* label;
    const char* date;
    const char* says;
  };
  const Row rows[] = {
      {"no date", "", "check the secret key, and the clock"},
      {"no date that can be read", "yesterday, perhaps", "check the secret key, and the clock"},
      {"the same second", "Fri, 02 Jan 2026 03:04:05 GMT", "check the secret key"},
      {"3:59 behind", "Fri, 02 Jan 2026 03:08:04 GMT", "check the secret key"},
      {"4:00 behind", "Fri, 02 Jan 2026 03:08:05 GMT", "4 minutes behind"},
      {"4:00 ahead", "Fri, 02 Jan 2026 03:00:05 GMT", "4 minutes ahead"},
  };
  for (const Row& row : rows) {
    const auto answer = read_answer({"autoscaling", "X"}, 403, body, clock_off(row.date, now));
    EXPECT_THAT(answer.error().message, HasSubstr(row.says)) << row.label;
  }
}

TEST(Query, WhatIsNoXmlIsAnErrorAndLongWordsAreCut) {
  EXPECT_THAT(read_answer({"ec2", "X"}, 502, "Bad Gateway").error().message,
              HasSubstr("HTTP 502 with an answer that is no XML"));
  EXPECT_TRUE(read_answer({"ec2", "X"}, 502, "Bad Gateway").error().passing());
  auto error = read_answer({"ec2", "X"}, 400,
                           "<Response><Errors><Error><Code>Bad</Code><Message>" +
                               std::string(5'000, 'x') + "</Message></Error></Errors></Response>")
                   .error();
  EXPECT_EQ(error.code, "Bad");
  EXPECT_LT(error.message.size(), 700u);
}

}  // namespace
}  // namespace tidegate::live::aws
