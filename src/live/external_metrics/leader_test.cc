#include "live/external_metrics/leader.h"

#include "live/external_metrics/server.h"
#include "live/external_metrics/test_cluster.h"

namespace tidegate::live::external_metrics {
namespace {

const std::string kValues =
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/serve/tidegate_desired_replicas";

/// A leader and a follower, of one account, before one API server.
class LeaderTest : public TestCluster {
 protected:
  struct Side {
    bool leads = false;
    Samples samples;
    std::unique_ptr<Server> server;
    net::Address address;
    net::KeyPair pair;
  };
  void SetUp() override {
    tell_trust();
    tokens["ours"] = {{"username", "tidegate"}};
    tokens["hpa"] = {{"username", "hpa"}};
    tokens["bob"] = {{"username", "bob"}};
    may["tidegate"] = may["hpa"] = true;
    // Both are pods of one account: what they show the API server they show each other.
    kube::Access access = api.access();
    access.identity.token = "ours";
    client = std::make_shared<kube::KubeClient>(*loop, access);
    leader.samples = {{{{"model", "m-8b"}}, 3}, {{{"model", "other"}}, 7}};
    follower.samples = {{{{"model", "m-8b"}}, 0}};
    leader.leads = true;
    start(leader);
    start(follower);
    where = Leader{leader.address, leader.pair.certificate_pem, "tidegate.serve.svc"};
  }
  void start(Side& side) {
    net::TlsOptions options;
    options.pair = server_ca.issue(
        {.common_name = "tidegate", .names = "IP:127.0.0.1,DNS:tidegate.serve.svc"});
    options.ask = net::AskClient::kForCertificate;
    side.pair = options.pair;
    side.server = std::make_unique<Server>(
        *loop, client, [&side](std::string_view, std::string_view) { return side.samples; },
        Leadership{[&side] { return side.leads; }, [this] { return where; }});
    side.address =
        side.server->listen({"127.0.0.1", 0}, net::TlsServer::create(options).value()).value();
    ASSERT_TRUE(until([&] { return side.server->ready(); }));
  }
  net::Response get(const Side& side, const std::string& token, const std::string& path) {
    net::Headers headers;
    if (!token.empty()) headers.add("Authorization", "Bearer " + token);
    auto out = ask("https://" + side.address.text() + path, {}, headers);
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or(net::Response());
  }

  Side leader, follower;
  std::optional<Leader> where;
};

TEST_F(LeaderTest, AFollowerAnswersWhatTheLeaderDoesAndChecksItsCallersItself) {
  struct Case {
    const char* label;
    const char* token;
    std::string path;
    int status;
    const char* words;
  };
  const Case cases[] = {
      {"the leader's number, not its own", "hpa", kValues + "?labelSelector=model%3Dm-8b", 200,
       R"("value":"3")"},
      {"nobody is told nothing", "", kValues, 401, "Unauthorized"},
      {"a stranger neither", "nobody", kValues, 401, "Unauthorized"},
      {"one who may not is refused by his own name", "bob", kValues, 403, R"(User \"bob\")"},
      {"a metric we do not have", "hpa",
       "/apis/external.metrics.k8s.io/v1beta1/namespaces/serve/cpu", 404, "no metric cpu"},
      {"discovery needs no leader", "hpa", "/apis/external.metrics.k8s.io/v1beta1", 200,
       "APIResourceList"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    const net::Response answer = get(follower, c.token, c.path);
    EXPECT_EQ(answer.status, c.status) << answer.body;
    EXPECT_NE(answer.body.find(c.words), std::string::npos) << answer.body;
    if (c.status == 200 && c.path.find('?') != std::string::npos) {
      EXPECT_EQ(answer.body.find(R"("value":"0")"), std::string::npos) << answer.body;
      EXPECT_EQ(answer.body.find(R"("value":"7")"), std::string::npos) << "the selector is kept";
    }
  }
  leader.samples[0].withheld = "Tidegate writes it itself";
  EXPECT_EQ(get(follower, "hpa", kValues).status, 409) << "a refusal is passed on as well";
  leader.samples.clear();
  const net::Response none = get(follower, "hpa", kValues);
  EXPECT_EQ(none.status, 200);
  EXPECT_NE(none.body.find(R"("items":[])"), std::string::npos) << "nothing decided is no item";
}

TEST_F(LeaderTest, WithoutALeadersWordThereIsAnErrorAndNeverANumber) {
  auto refused = [&](const char* words) {
    const net::Response answer = get(follower, "hpa", kValues);
    EXPECT_EQ(answer.status, 503) << answer.body;
    EXPECT_EQ(answer.body.find("\"value\""), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find(words), std::string::npos) << answer.body;
    EXPECT_NE(answer.headers.get("Retry-After"), "");
  };
  {
    SCOPED_TRACE("our account lacks the right: that is not the caller's fault");
    may["tidegate"] = false;
    refused("let its account list");
    EXPECT_EQ(get(leader, "hpa", kValues).status, 200);
  }
  {
    SCOPED_TRACE("another certificate than the one in the Lease");
    where->certificate_pem = follower.pair.certificate_pem;
    refused("TLS: ");
  }
  {
    SCOPED_TRACE("the one named leads no longer: it is asked once, and asks nobody else");
    may["tidegate"] = true;
    leader.server.reset();
    leader.leads = false;
    start(leader);
    where = Leader{leader.address, leader.pair.certificate_pem, "tidegate.serve.svc"};
    tokens["ours"] = {{"username", "tidegate-again"}};  // no answer of before is kept
    may["tidegate-again"] = true;
    refused("who does has just changed");
  }
  {
    SCOPED_TRACE("nobody listens there");
    leader.server.reset();
    refused("did not answer");
  }
  {
    SCOPED_TRACE("nobody is known to lead");
    where.reset();
    refused("until one holds the Lease");
  }
  SCOPED_TRACE("it leads itself now");
  follower.leads = true;
  EXPECT_EQ(get(follower, "hpa", kValues).status, 200);
}

}  // namespace
}  // namespace tidegate::live::external_metrics
