#include "live/kube/client.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "live/kube/testing/given_server.h"
#include "live/net/clock.h"
#include "live/net/tls/tls_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration kPatience = seconds(20);

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    json labels = {{"app", "m"}};
    json engine = {{"containers", json::array({{{"name", "engine"}, {"image", "engine"}}})}};
    json pod = {{"metadata", {{"labels", labels}}}, {"spec", engine}};
    json spec = {{"replicas", 2}, {"selector", {{"matchLabels", labels}}}, {"template", pod}};
    given.objects().put("apps/v1", "deployments",
                        {{"metadata", {{"name", "m"}, {"namespace", given.ns}}}, {"spec", spec}});
    open(given.access());
  }
  void open(const Access& access) { client = std::make_unique<KubeClient>(*loop, access); }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  ApiResult<json> ask(const ApiCall& call) {
    ApiResult<json> out;
    bool answered = false;
    client->call(call, [&](ApiResult<json> answer) {
      out = std::move(answer);
      answered = true;
    });
    EXPECT_FALSE(answered) << "told from inside the call";
    EXPECT_TRUE(until([&] { return answered; }));
    return out;
  }
  std::string said(const ApiCall& call) {
    auto answer = ask(call);
    return answer ? "it worked" : answer.error().message;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  GivenServer given{*loop};
  ApiServer& server = given.in_process;
  const Resource maps{"v1", "configmaps", given.ns};
  const Resource deployments{"apps/v1", "deployments", given.ns};
  std::unique_ptr<KubeClient> client;
};

TEST_F(ClientTest, objects_are_made_read_changed_and_removed) {
  auto made = ask(create(maps, {{"metadata", {{"name", "a"}}}, {"data", {{"k", "1"}}}}));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ((*made)["metadata"]["namespace"], given.ns);
  EXPECT_EQ((*ask(patch(maps, "a", PatchType::kMerge, {{"data", {{"k", "2"}}}})))["data"]["k"],
            "2");
  json object = *ask(get(maps, "a"));
  object["data"]["k"] = "3";
  ASSERT_TRUE(ask(replace(maps, "a", object)));
  auto stale = ask(replace(maps, "a", object));
  ASSERT_FALSE(stale);
  EXPECT_TRUE(stale.error().conflict());
  EXPECT_THAT(stale.error().message, HasSubstr("update configmaps in namespace " + given.ns +
                                               ": Operation cannot be fulfilled"));
  ASSERT_TRUE(ask(kube::remove(maps, "a")));
  EXPECT_EQ(ask(get(maps, "a")).error().code, 404);
  auto page = ask(kube::read("/readyz"));
  ASSERT_FALSE(page) << "a page of a proxy's is no answer";
  EXPECT_THAT(page.error().message, HasSubstr("no JSON object: ok"));
}

TEST_F(ClientTest, a_scale_is_written_only_onto_what_was_read) {
  json scale = *ask(get(deployments, "m", "scale"));
  EXPECT_EQ(scale["status"]["selector"], "app=m");
  json change = {{"metadata", {{"resourceVersion", scale["metadata"]["resourceVersion"]}}},
                 {"spec", {{"replicas", 5}}}};
  auto call = patch(deployments, "m", PatchType::kMerge, change, "scale");
  EXPECT_EQ((*ask(call))["spec"]["replicas"], 5);
  EXPECT_TRUE(ask(call).error().conflict()) << "the same write again is stale";
}

TEST_F(ClientTest, applied_fields_are_owned_and_taken_only_by_force) {
  json config = {{"apiVersion", "v1"},
                 {"kind", "ConfigMap"},
                 {"metadata", {{"name", "a"}}},
                 {"data", {{"k", "ours"}}}};
  auto ours = patch(maps, "a", PatchType::kApply, config, "", "tidegate");
  ASSERT_TRUE(ask(ours)) << said(ours);
  config["data"]["k"] = "theirs";
  auto theirs = ask(patch(maps, "a", PatchType::kApply, config, "", "other"));
  ASSERT_FALSE(theirs);
  EXPECT_THAT(theirs.error().message, HasSubstr("conflict with \"tidegate\""));
  EXPECT_TRUE(ask(patch(maps, "a", PatchType::kApply, config, "", "other", "true")));
}

TEST_F(ClientTest, errors_say_what_failed_what_the_server_said_and_the_fix) {
  ONLY_IN_THIS_PROCESS(given);
  server.forbid = {"patch deployments/scale"};
  EXPECT_THAT(
      said(patch(deployments, "m", PatchType::kMerge, {{"spec", {{"replicas", 1}}}}, "scale")),
      ::testing::AllOf(HasSubstr("patch deployments/scale.apps in namespace serve"),
                       HasSubstr("cannot patch resource"),
                       HasSubstr("apiGroups [\"apps\"], resources [\"deployments/scale\"], verbs "
                                 "[\"patch\"]")));
  server.tokens = {"right"};
  EXPECT_THAT(said(get(maps, "a")), HasSubstr("credentials are refused"));
  server.tokens.clear();
  EXPECT_THAT(said(get({"nope.example.org/v1", "things", "serve"}, "x")),
              HasSubstr("404 page not found"));
  server.down = true;
  EXPECT_THAT(said(get(maps, "a")), HasSubstr("no answer from http://127.0.0.1"));
}

TEST_F(ClientTest, a_throttled_call_is_asked_again_after_what_the_server_says_and_not_for_ever) {
  ONLY_IN_THIS_PROCESS(given);
  struct Row {
    const char* label;
    int refusals, retry_after, code;
    std::size_t asked;
  };
  const Row rows[] = {
      {"twice 429", 2, 0, 429, 3},
      {"twice 503", 2, 0, 503, 3},
      {"as often as the limit", KubeClient::kMaxRetries, 0, 429, 11},
      {"one more than the limit", KubeClient::kMaxRetries + 1, 0, 429, 11},
      {"without Retry-After at once an error", 1, -1, 503, 1},
  };
  for (const Row& row : rows) {
    int left = row.refusals;
    server.requests.clear();
    server.fault = [&](const net::Request&) -> std::optional<Answer> {
      if (left-- <= 0) return std::nullopt;
      Answer busy = failure(row.code, "TooManyRequests", "busy");
      busy.retry_after = row.retry_after;
      return busy;
    };
    bool worked = ask(get(deployments, "m")).has_value();
    EXPECT_EQ(worked, row.refusals < static_cast<int>(row.asked)) << row.label;
    EXPECT_EQ(server.requests.size(), row.asked) << row.label;
    server.fault = nullptr;
  }
}

/// A server that answers when it is told to.
struct SlowServer {
  explicit SlowServer(net::Loop& loop)
      : server(loop, {}, [this](const net::ExchangePtr& x) {
          held.push_back(x);
          paths.push_back(x->request().path);
          most = std::max(most, held.size());
        }) {
    access.server = "http://" + server.listen({"127.0.0.1", 0}).value().text();
  }
  void answer(std::size_t which) {
    const net::ExchangePtr x = held[which];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    net::Headers headers;
    headers.add("Content-Type", "application/json");
    x->respond(200, headers, "{}");
  }
  std::vector<net::ExchangePtr> held;
  std::vector<std::string> paths;
  std::size_t most = 0;
  Access access;
  net::HttpServer server;
};

TEST_F(ClientTest, a_server_holds_a_bounded_number_of_calls_and_the_rest_wait_in_order) {
  SlowServer slow(*loop);
  open(slow.access);
  constexpr std::size_t kCalls = 3 * KubeClient::kMaxCalls;
  std::vector<KubeClient::CallId> ids;
  std::size_t answered = 0;
  auto name = [](std::size_t i) { return "m-" + std::to_string(i); };
  for (std::size_t i = 0; i < kCalls; ++i) {
    ids.push_back(client->call(get(deployments, name(i)), [&](auto&&) { ++answered; }));
  }
  ApiCall urgent = get({"coordination.k8s.io/v1", "leases", given.ns}, "tidegate");
  urgent.urgent = true;
  bool renewed = false;
  client->call(urgent, [&](auto&&) { renewed = true; });
  ASSERT_TRUE(until([&] { return slow.held.size() == KubeClient::kMaxCalls + 1; }));
  EXPECT_THAT(slow.paths.back(), HasSubstr("/leases/tidegate")) << "not behind the others";
  slow.answer(slow.held.size() - 1);
  ASSERT_TRUE(until([&] { return renewed; }));

  client->cancel(ids[0]);                          // under way: its place is free
  client->cancel(ids[KubeClient::kMaxCalls + 1]);  // waiting: it is passed over
  const std::size_t next = KubeClient::kMaxCalls + 2;
  while (slow.paths.back().find(name(next)) == std::string::npos) {
    const std::size_t arrived = slow.paths.size();
    ASSERT_TRUE(until([&] { return slow.paths.size() > arrived; }));
    ASSERT_EQ(slow.paths.size(), arrived + 1) << "one for one";
    if (slow.paths.back().find(name(next)) == std::string::npos) slow.answer(1);
  }
  while (answered < kCalls - 2) {
    while (!slow.held.empty()) slow.answer(0);
    const std::size_t before = answered;
    ASSERT_TRUE(until([&] { return answered > before || !slow.held.empty(); }));
  }
  EXPECT_EQ(slow.paths.size(), kCalls)
      << "all but who was cancelled before its turn, and the Lease";
  EXPECT_LE(slow.most, KubeClient::kMaxCalls + 2u) << "with the Lease, and one that was given up";
}

TEST_F(ClientTest, a_watch_tells_each_event_and_its_end) {
  ONLY_IN_THIS_PROCESS(given);
  std::vector<std::string> seen;
  int opened = 0, ended = 0;
  std::optional<ApiError> error;
  server.watch_second = millis(30);
  auto start = [&](const std::string& from) {
    client->watch(kube::watch(maps, "", from, seconds(10)),
                  {.on_open = [&] { ++opened; },
                   .on_event =
                       [&](const std::string& type, const json& object) {
                         seen.push_back(type + " " + object["metadata"].value("name", ""));
                       },
                   .on_end =
                       [&](std::optional<ApiError> e) {
                         ++ended;
                         error = std::move(e);
                       }});
  };
  start(std::to_string(server.store().version()));
  ASSERT_TRUE(until([&] { return opened == 1; }));
  server.put("v1", "configmaps", {{"metadata", {{"name", "a"}, {"namespace", "serve"}}}});
  server.put("v1", "configmaps", {{"metadata", {{"name", "b"}, {"namespace", "other"}}}});
  server.erase("v1", "configmaps", "serve", "a");
  ASSERT_TRUE(until([&] { return ended == 1; }));
  EXPECT_FALSE(error) << error->message;
  EXPECT_THAT(seen, ElementsAre("ADDED a", "DELETED a", "BOOKMARK "));

  server.store().compact();
  start("3");
  ASSERT_TRUE(until([&] { return ended == 2; }));
  EXPECT_TRUE(error && error->expired());

  start(std::to_string(server.store().version()));
  ASSERT_TRUE(until([&] { return server.watches() == 1; }));
  server.cut_watches();
  ASSERT_TRUE(until([&] { return ended == 3; }));
  EXPECT_TRUE(error && error->no_answer()) << "cut in the middle of a line";
}

TEST_F(ClientTest, a_rotated_token_is_read_again_when_the_old_one_is_refused) {
  ONLY_IN_THIS_PROCESS(given);
  std::string file =
      (std::filesystem::temp_directory_path() / ("token-" + std::to_string(::getpid()))).string();
  std::ofstream(file) << "old\n";
  server.tokens = {"old"};
  Access access = server.access();
  access.identity = {.token_file = file};
  open(access);
  ASSERT_TRUE(ask(get(deployments, "m")));
  std::ofstream(file) << "new\n";
  server.tokens = {"new"};
  EXPECT_EQ(said(get(deployments, "m")), "it worked");
  server.tokens = {"newest"};
  EXPECT_THAT(said(get(deployments, "m")), HasSubstr("refused")) << "nothing fresher to be had";
  std::filesystem::remove(file);
}

TEST_F(ClientTest, a_plugin_is_run_once_for_all_who_wait_and_again_when_refused) {
  ONLY_IN_THIS_PROCESS(given);
  std::string folder =
      (std::filesystem::temp_directory_path() / ("plugin-" + std::to_string(::getpid()))).string();
  std::filesystem::create_directories(folder);
  // Prints tokens t1, t2, ... as it is run again.
  ExecPlugin plugin{.api_version = "client.authentication.k8s.io/v1",
                    .words = {"/bin/sh", "-c",
                              "echo x >> " + folder +
                                  "/runs; echo '{\"kind\":\"ExecCredential\","
                                  "\"status\":{\"token\":\"t'$(wc -l < " +
                                  folder + "/runs)'\"}}'"}};
  server.tokens = {"t1"};
  Access access = server.access();
  access.identity = {.exec = plugin};
  open(access);
  int worked = 0;
  for (int i = 0; i < 5; ++i) {
    client->call(get(deployments, "m"),
                 [&](const ApiResult<json>& answer) { worked += bool(answer); });
  }
  ASSERT_TRUE(until([&] { return worked == 5; }));
  EXPECT_EQ(std::filesystem::file_size(folder + "/runs"), 2u) << "one run";
  server.tokens = {"t2"};
  EXPECT_EQ(said(get(deployments, "m")), "it worked");
  access.identity.exec->words = {"/no/such/plugin"};
  open(access);
  EXPECT_THAT(said(get(deployments, "m")), HasSubstr("exec plugin /no/such/plugin: No such file"));
  access.identity.exec->words = {"/bin/sh", "-c", "exit 3"};
  open(access);
  EXPECT_THAT(said(get(deployments, "m")), HasSubstr("exited with status 3"));
  std::filesystem::remove_all(folder);
}

TEST_F(ClientTest, a_server_that_another_authority_vouches_for_is_not_spoken_to) {
  WallTime now = net::WorldClock::wall_now();
  auto certificate = [&](const char* name, Duration until) {
    return net::self_signed({name}, now + seconds(-7200), now + until).value();
  };
  struct Row {
    const char* label;
    net::KeyPair server;
    const net::KeyPair* trusted;
    const char* says;
  };
  const net::KeyPair good = certificate("127.0.0.1", seconds(3600));
  const net::KeyPair other = certificate("127.0.0.1", seconds(3600));
  const net::KeyPair elsewhere = certificate("api.internal", seconds(3600));
  const net::KeyPair old = certificate("127.0.0.1", seconds(-3600));
  const Row rows[] = {
      {"the right one", good, &good, "it worked"},
      {"another authority", good, &other, "does the certificate authority given belong"},
      {"another name", elsewhere, &elsewhere, "TLS: "},
      {"expired", old, &old, "TLS: "},
  };
  for (const Row& row : rows) {
    auto tls = net::TlsServer::create({.pair = row.server}).value();
    ApiServer secure(*loop, {"127.0.0.1", 0}, tls);
    secure.put("apps/v1", "deployments", {{"metadata", {{"name", "m"}, {"namespace", given.ns}}}});
    Access access = secure.access();
    access.tls.ca_pem = row.trusted->certificate_pem;
    open(access);
    EXPECT_THAT(said(get(deployments, "m")), HasSubstr(row.says)) << row.label;
    client.reset();
  }
}

TEST_F(ClientTest, a_cancelled_call_and_a_dead_client_tell_nothing) {
  int told = 0;
  auto id = client->call(get(deployments, "m"), [&](const ApiResult<json>&) { ++told; });
  client->cancel(id);
  client->call(get(deployments, "m"), [&](const ApiResult<json>&) { ++told; });
  client.reset();
  open(given.access());
  ASSERT_TRUE(ask(get(deployments, "m")));
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace tidegate::live::kube
