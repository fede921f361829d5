#include "live/kube/informer.h"

#include <gmock/gmock.h>

#include "live/kube/testing/given_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

constexpr Duration kPatience = seconds(20);

class InformerTest : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& app = "m") {
    json engine = {{"containers", json::array({{{"name", "engine"}, {"image", "engine"}}})}};
    given.objects().put("v1", "pods",
                        {{"metadata",
                          {{"name", name},
                           {"namespace", given.ns},
                           {"labels", {{"app", app}, {"written", std::to_string(++written)}}}}},
                         {"spec", engine}});
  }
  void erase(const std::string& name) { given.objects().remove("v1", "pods", given.ns, name); }
  Informer& start(int page = 2) {
    InformerOptions options{
        .page = page, .page_pause = millis(1), .first_wait = millis(1), .longest_wait = millis(4)};
    informer = std::make_unique<Informer>(
        client, Resource{"v1", "pods", given.ns}, "app=m",
        InformerHandler{
            .changed =
                [this](const std::string& key, const json& object) {
                  ++told;
                  known[key] = object["metadata"]["resourceVersion"];
                },
            .removed = [this](const std::string& key) { EXPECT_EQ(known.erase(key), 1u) << key; },
            .in_step = [this] { ++in_step; },
            .trouble = [this](const ApiError& error) { troubles.push_back(error); }},
        options);
    informer->start();
    EXPECT_TRUE(until([&] { return in_step == 1; }));
    EXPECT_TRUE(until([&] { return given.real != nullptr || server.watches() == 1; }));
    return *informer;
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  /// What the informer told is what the server has.
  bool same() {
    std::map<std::string, std::string> have;
    for (const json& pod : given.objects().all("v1", "pods", given.ns)) {
      const json& meta = pod["metadata"];
      if (meta["labels"]["app"] != "m") continue;
      have[given.ns + "/" + meta["name"].get<std::string>()] = meta["resourceVersion"];
    }
    return have == known;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  GivenServer given{*loop};
  ApiServer& server = given.in_process;
  KubeClient client{*loop, given.access()};
  std::unique_ptr<Informer> informer;
  std::map<std::string, std::string> known;
  std::vector<ApiError> troubles;
  int told = 0, in_step = 0, written = 0;
};

TEST_F(InformerTest, pages_are_one_list_and_later_changes_follow) {
  for (int i = 0; i < 5; ++i) put("p" + std::to_string(i));
  put("other", "x");
  start();
  EXPECT_EQ(known.size(), 5u);
  EXPECT_TRUE(same());
  put("p9");
  put("p1");
  erase("p2");
  put("p3", "x");  // its labels left the selector
  ASSERT_TRUE(until([&] { return same(); }));
  EXPECT_EQ(informer->lists(), 1u);
  EXPECT_TRUE(troubles.empty());
}

TEST_F(InformerTest, a_watch_that_is_cut_goes_on_from_where_it_was_without_a_new_list) {
  ONLY_IN_THIS_PROCESS(given);
  put("p1");
  start();
  for (int i = 0; i < 3; ++i) {
    server.cut_watches();
    put("p" + std::to_string(10 + i));  // while nobody watches
    ASSERT_TRUE(until([&] { return same() && server.watches() == 1; }));
  }
  EXPECT_EQ(informer->lists(), 1u);
  EXPECT_GE(troubles.size(), 3u);
  EXPECT_EQ(told, 4) << "each change once";
  EXPECT_TRUE(until([&] { return in_step == 4; })) << "and it says that all is well again";
}

TEST_F(InformerTest, what_was_deleted_unseen_is_removed_by_the_list_after_a_410) {
  ONLY_IN_THIS_PROCESS(given);
  for (const char* name : {"p1", "p2", "p3"}) put(name);
  start();
  server.cut_watches();
  erase("p2");
  put("p4");
  server.store().compact();
  ASSERT_TRUE(until([&] { return same() && server.watches() == 1; }));
  EXPECT_EQ(informer->lists(), 2u);
  EXPECT_EQ(told, 4) << "what did not change is not told again";
}

TEST_F(InformerTest, a_bookmark_saves_the_list) {
  ONLY_IN_THIS_PROCESS(given);
  put("p1");
  start();
  put("x1", "x");  // not ours: only a bookmark can tell that time has passed
  server.bookmark();
  ASSERT_TRUE(
      until([&] { return informer->version() == std::to_string(server.store().version()); }));
  server.store().compact();
  server.cut_watches();
  ASSERT_TRUE(until([&] { return server.watches() == 1; }));
  put("p3");
  ASSERT_TRUE(until([&] { return same(); }));
  EXPECT_EQ(informer->lists(), 1u);
}

TEST_F(InformerTest, while_the_server_is_gone_nothing_is_removed_and_then_it_catches_up) {
  ONLY_IN_THIS_PROCESS(given);
  put("p1");
  put("p2");
  start();
  server.down = true;
  server.cut_watches();
  ASSERT_TRUE(until([&] { return troubles.size() >= 4; }));
  EXPECT_EQ(known.size(), 2u);
  erase("p1");
  server.down = false;
  ASSERT_TRUE(until([&] { return same() && in_step == 2; }));
}

TEST_F(InformerTest, whatever_the_server_answers_nothing_is_removed_and_then_it_catches_up) {
  ONLY_IN_THIS_PROCESS(given);
  auto always = [](const Answer& answer) {
    return [answer](const net::Request&) -> std::optional<Answer> { return answer; };
  };
  Answer asked_back = failure(429, "TooManyRequests", "busy");
  asked_back.retry_after = 0;
  Answer page;
  page.text = "<html>a proxy's page</html>";
  Answer no_list;
  no_list.body = {{"kind", "PodList"}, {"items", 3}};
  struct Row {
    const char* label;
    Answer answer;
    const char* says;
  };
  const Row rows[] = {
      {"an expired token", failure(401, "Unauthorized", "Unauthorized"), "credentials are refused"},
      {"a right taken away", failure(403, "Forbidden", "no"), "verbs [\"watch\"]"},
      {"throttled", failure(429, "TooManyRequests", "busy"), "throttling"},
      {"throttled, with a time to ask again", asked_back, "throttling"},
      {"500", failure(500, "InternalError", "etcdserver: no leader"), "no leader"},
      {"503", failure(503, "ServiceUnavailable", "starting"), "starting"},
      {"a page that is no event", page, "a watch event that is no JSON"},
      {"an object that is no event", no_list, "a watch event that is no JSON"},
  };
  put("p1");
  put("p2");
  start();
  int number = 10;
  for (const Row& row : rows) {
    troubles.clear();
    server.fault = always(row.answer);
    server.cut_watches();
    ASSERT_TRUE(until([&] { return troubles.size() >= 4; })) << row.label;
    EXPECT_THAT(troubles.back().message, ::testing::HasSubstr(row.says)) << row.label;
    EXPECT_EQ(known.size(), 2u) << row.label;
    put("p" + std::to_string(++number));
    erase(known.begin()->first.substr(6));
    server.fault = nullptr;
    ASSERT_TRUE(until([&] { return same() && server.watches() == 1; })) << row.label;
  }
}

TEST_F(InformerTest, a_list_that_is_none_is_said_and_asked_for_again) {
  ONLY_IN_THIS_PROCESS(given);
  put("p1");
  bool broken = true;
  server.fault = [&](const net::Request&) -> std::optional<Answer> {
    if (!broken) return std::nullopt;
    Answer page;
    page.body = {{"kind", "PodList"}, {"items", 3}};
    return page;
  };
  int told_of = 0;
  Informer odd(client, {"v1", "pods", "serve"}, "app=m",
               {.changed = [&](const std::string&, const json&) { ++told_of; },
                .removed = [](const std::string&) {},
                .in_step = [] {},
                .trouble =
                    [&](const ApiError& error) {
                      EXPECT_THAT(error.message, ::testing::HasSubstr("no items"));
                      broken = false;
                    }},
               {.first_wait = millis(1)});
  odd.start();
  EXPECT_TRUE(until([&] { return told_of == 1; }));
  EXPECT_FALSE(broken);
}

TEST_F(InformerTest, a_list_whose_token_expires_amid_the_pages_begins_again) {
  ONLY_IN_THIS_PROCESS(given);
  for (int i = 0; i < 6; ++i) put("p" + std::to_string(i));
  bool once = false;
  server.fault = [&](const net::Request& request) -> std::optional<Answer> {
    if (!once && request.query.find("continue=") != std::string::npos) {
      once = true;
      put("p9");
      server.store().compact();
    }
    return std::nullopt;
  };
  start();
  EXPECT_TRUE(once);
  EXPECT_TRUE(until([&] { return same(); }));
}

TEST_F(InformerTest, a_server_that_always_says_gone_is_not_asked_in_a_storm) {
  ONLY_IN_THIS_PROCESS(given);
  put("p1");
  start();
  server.fault = [](const net::Request& request) -> std::optional<Answer> {
    if (request.query.find("watch=1") == std::string::npos) return std::nullopt;
    return failure(410, "Expired", "too old resource version");
  };
  server.cut_watches();
  std::size_t before = server.requests.size();
  loop->run_for(millis(60));
  // Waits are at least 0.5 ms, 1 ms, then 2 ms each: some 25 rounds of list and watch.
  EXPECT_LT(server.requests.size() - before, 90u);
  server.fault = nullptr;
  put("p2");
  EXPECT_TRUE(until([&] { return same(); }));
}

}  // namespace
}  // namespace tidegate::live::kube
