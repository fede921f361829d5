#include "live/kube/leader_election.h"

#include <gmock/gmock.h>

#include "live/kube/testing/given_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr Duration kPatience = seconds(20);

class LeaderElectionTest : public ::testing::Test {
 protected:
  struct Candidate {
    std::unique_ptr<LeaderElection> election;
    std::vector<bool> told;
    std::vector<std::string> troubles;
  };
  /// A second of the Lease lasts 40 ms: it expires in 600 ms.
  std::unique_ptr<Candidate> candidate(const std::string& name) {
    auto out = std::make_unique<Candidate>();
    LeaderOptions options{.ns = given.ns, .name = "tidegate", .identity = name};
    options.times = {millis(600), millis(400), millis(80), millis(40)};
    auto made = LeaderElection::create(
        std::make_shared<KubeClient>(*loop, given.access()), options,
        {.leading =
             [this, one = out.get()](bool yes) {
               one->told.push_back(yes);
               EXPECT_FALSE(!yes && one->election->leading());
               leaders += yes ? 1 : -1;
               EXPECT_LE(leaders, 1);
             },
         .trouble = [one = out.get()](const ApiError& e) { one->troubles.push_back(e.message); }});
    out->election = std::move(made.value());
    out->election->start();
    return out;
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  json lease() {
    return given.objects().find("coordination.k8s.io/v1", "leases", given.ns, "tidegate");
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  GivenServer given{*loop};
  ApiServer& server = given.in_process;
  int leaders = 0;
};

TEST_F(LeaderElectionTest, one_leads_and_when_it_is_gone_without_a_word_another_does) {
  auto a = candidate("a");
  ASSERT_TRUE(until([&] { return a->election->leading(); }));
  auto b = candidate("b");
  ASSERT_TRUE(until([&] { return b->election->holder() == "a"; }));
  EXPECT_EQ(lease()["spec"]["leaseDurationSeconds"], 15);
  EXPECT_FALSE(b->election->leading());
  a.reset();
  leaders = 0;  // it cannot say so any more
  ASSERT_TRUE(until([&] { return !b->told.empty(); }));
  EXPECT_EQ(lease()["spec"]["holderIdentity"], "b");
  EXPECT_GE(lease()["spec"]["leaseTransitions"], 1);
  EXPECT_EQ(b->election->term(), lease()["spec"]["leaseTransitions"]);
}

TEST_F(LeaderElectionTest, what_the_leader_posts_is_read_by_the_others_until_it_leads_no_longer) {
  auto a = candidate("a");
  ASSERT_TRUE(until([&] { return a->election->leading(); }));
  auto b = candidate("b");
  ASSERT_TRUE(until([&] { return b->election->holder() == "a"; }));
  EXPECT_EQ(b->election->notice(), std::nullopt) << "none was left yet";
  std::string at = "10.0.0.7:8443";
  a->election->post([&] { return at; });
  b->election->post([] { return "10.0.0.8:8443"; });
  EXPECT_TRUE(until([&] { return b->election->notice() == "10.0.0.7:8443"; }));
  at = std::string(LeaderElection::kMaxNoticeBytes + 1, 'x');
  EXPECT_TRUE(until([&] { return !b->election->notice(); })) << "too long to be left";
  at = "10.0.0.9:8443";
  EXPECT_TRUE(until([&] { return b->election->notice() == "10.0.0.9:8443"; })) << "the newest";
  a.reset();
  leaders = 0;  // it cannot say so any more
  ASSERT_TRUE(until([&] { return !b->told.empty(); }));
  EXPECT_EQ(b->election->notice(), "10.0.0.8:8443");
  // A holder that posts nothing leaves the words of the one before: they are not its own.
  json now = lease();
  now["spec"]["holderIdentity"] = "c";
  b.reset();
  leaders = 0;
  given.objects().put("coordination.k8s.io/v1", "leases", now);
  auto d = candidate("d");
  ASSERT_TRUE(until([&] { return d->election->holder() == "c"; }));
  EXPECT_EQ(d->election->notice(), std::nullopt);
}

TEST_F(LeaderElectionTest, given_back_the_lease_says_nothing_of_where_it_was) {
  auto a = candidate("a");
  a->election->post([] { return "10.0.0.7:8443"; });
  ASSERT_TRUE(until([&] { return a->election->notice().has_value(); }));
  bool done = false;
  a->election->release([&] { done = true; });
  ASSERT_TRUE(until([&] { return done; }));
  EXPECT_FALSE(
      lease()["metadata"].value("annotations", json::object()).contains(kNoticeAnnotation));
}

TEST_F(LeaderElectionTest, released_it_is_handed_over_and_others_labels_stay) {
  auto a = candidate("a");
  ASSERT_TRUE(until([&] { return a->election->leading(); }));
  // Written onto what was read, between two renewals.
  for (json now = lease(); !now["metadata"].contains("labels"); now = lease()) {
    now["metadata"]["labels"] = {{"team", "x"}};
    given.objects().put("coordination.k8s.io/v1", "leases", now);
  }
  auto b = candidate("b");
  ASSERT_TRUE(until([&] { return b->election->holder() == "a"; }));
  bool done = false;
  a->election->release([&] { done = true; });
  EXPECT_FALSE(a->election->leading()) << "at once";
  ASSERT_TRUE(until([&] { return done && !b->told.empty(); }));
  EXPECT_FALSE(a->told.back());
  EXPECT_EQ(lease()["metadata"]["labels"]["team"], "x");
}

TEST_F(LeaderElectionTest, without_an_answer_the_term_ends_and_with_one_it_comes_back) {
  ONLY_IN_THIS_PROCESS(given);
  struct Row {
    const char* label;
    std::function<void()> breaks;
    const char* says;
  };
  const Row rows[] = {
      {"connections are broken", [&] { server.down = true; }, "no answer from"},
      {"5xx",
       [&] {
         server.fault = [](const net::Request&) {
           return failure(500, "InternalError", "etcdserver: no leader");
         };
       },
       "no leader"},
      {"429 for a minute: a term cannot wait",
       [&] {
         server.fault = [](const net::Request&) {
           Answer busy = failure(429, "TooManyRequests", "busy");
           busy.retry_after = 60;
           return busy;
         };
       },
       "not within half the deadline"},
      {"a right that is missing",
       [&] {
         server.forbid = {"update leases", "get leases"};
       },
       "resources [\"leases\"], verbs"},
      {"a token that is refused", [&] { server.tokens = {"other"}; }, "credentials are refused"},
  };
  auto a = candidate("a");
  for (const Row& row : rows) {
    ASSERT_TRUE(until([&] { return a->election->leading(); })) << row.label;
    a->told.clear();
    a->troubles.clear();
    row.breaks();
    ASSERT_TRUE(until([&] { return !a->told.empty() && !a->troubles.empty(); })) << row.label;
    EXPECT_FALSE(a->told.front()) << row.label;
    EXPECT_THAT(a->troubles.back(), HasSubstr(row.says)) << row.label;
    server.down = false;
    server.fault = nullptr;
    server.forbid.clear();
    server.tokens.clear();
  }
  EXPECT_TRUE(until([&] { return a->election->leading(); }));
}

TEST_F(LeaderElectionTest, a_namespace_that_is_missing_is_said) {
  ONLY_IN_THIS_PROCESS(given);
  server.fault = [](const net::Request& request) -> std::optional<Answer> {
    if (request.method != "POST") return std::nullopt;
    return failure(404, "NotFound", "namespaces \"serve\" not found");
  };
  auto a = candidate("a");
  ASSERT_TRUE(until([&] { return !a->troubles.empty(); }));
  EXPECT_THAT(a->troubles[0], HasSubstr("namespaces \"serve\" not found"));
}

TEST_F(LeaderElectionTest, without_a_server_a_release_is_done_all_the_same) {
  ONLY_IN_THIS_PROCESS(given);
  auto a = candidate("a");
  ASSERT_TRUE(until([&] { return a->election->leading(); }));
  server.down = true;
  bool done = false;
  a->election->release([&] { done = true; });
  EXPECT_TRUE(until([&] { return done; }));
  EXPECT_FALSE(a->told.back());
}

TEST_F(LeaderElectionTest, what_two_could_lead_under_is_refused) {
  auto client = std::make_shared<KubeClient>(*loop, server.access());
  LeaderOptions options{.ns = "serve", .name = "tidegate"};
  options.times.renew_deadline = seconds(20);
  auto made = LeaderElection::create(client, options, {});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("renew deadline 20"));
  options = {};
  EXPECT_FALSE(LeaderElection::create(client, options, {}));
  EXPECT_NE(unique_identity(), unique_identity());
}

}  // namespace
}  // namespace tidegate::live::kube
