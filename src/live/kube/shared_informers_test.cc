#include "live/kube/shared_informers.h"

#include <gmock/gmock.h>

#include "live/kube/label_index.h"
#include "live/kube/testing/api_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration kPatience = seconds(20);
const Resource kPods{"v1", "pods", "serve"};

class SharedInformersTest : public ::testing::Test {
 protected:
  struct Told {
    std::string selector;
    std::unique_ptr<Follower> follower;
    std::map<std::string, std::string> known;  ///< name -> resourceVersion
    int in_step = 0;
    std::vector<std::string> troubles;
  };
  void put(const std::string& name, const json& labels) {
    server.put("v1", "pods",
               {{"metadata", {{"name", name}, {"namespace", "serve"}, {"labels", labels}}}});
  }
  void erase(const std::string& name) { server.erase("v1", "pods", "serve", name); }
  std::unique_ptr<Told> follow(const std::string& selector, SharedInformers& from) {
    auto out = std::make_unique<Told>();
    out->selector = selector;
    InformerOptions options{
        .page = 3, .page_pause = millis(1), .first_wait = millis(1), .longest_wait = millis(4)};
    out->follower = from.follow(
        client, kPods, selector,
        {.changed =
             [one = out.get()](const std::string& key, const json& object) {
               std::string version = object["metadata"]["resourceVersion"];
               EXPECT_NE(one->known[key], version) << key << " told twice";
               one->known[key] = version;
             },
         .removed = [one = out.get()](
                        const std::string& key) { EXPECT_EQ(one->known.erase(key), 1u) << key; },
         .in_step = [one = out.get()] { ++one->in_step; },
         .trouble = [one = out.get()](const ApiError& e) { one->troubles.push_back(e.message); }},
        options);
    EXPECT_TRUE(out->known.empty()) << "told from inside";
    return out;
  }
  std::unique_ptr<Told> follow(const std::string& selector) { return follow(selector, shared); }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  /// What `one` was told is what the server has.
  bool same(const Told& one) const {
    auto selector = Selector::parse(one.selector).value();
    std::map<std::string, std::string> have;
    for (const ObjectPtr& pod : server.all("v1", "pods", "serve")) {
      if (!selector.matches_labels(*pod)) continue;
      const json& meta = (*pod)["metadata"];
      have["serve/" + meta["name"].get<std::string>()] = meta["resourceVersion"];
    }
    return have == one.known;
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  ApiServer server{*loop};
  std::shared_ptr<KubeClient> client = std::make_shared<KubeClient>(*loop, server.access());
  SharedInformers shared{0};
};

TEST_F(SharedInformersTest, many_follow_their_parts_on_one_list_and_one_watch) {
  for (int i = 0; i < 40; ++i) {
    put("p" + std::to_string(i), {{"app", "vllm"}, {"model", "m" + std::to_string(i % 20)}});
  }
  std::vector<std::unique_ptr<Told>> all;
  for (int i = 0; i < 20; ++i) all.push_back(follow("app=vllm,model=m" + std::to_string(i)));
  ASSERT_TRUE(until([&] { return server.watches() == 1; }));
  for (auto& one : all) {
    EXPECT_TRUE(same(*one));
    EXPECT_EQ(one->known.size(), 2u);
    EXPECT_EQ(one->in_step, 1);
  }
  put("p0", {{"app", "vllm"}, {"model", "m7"}});  // from one to another
  erase("p5");
  auto late = follow("model=m7");
  ASSERT_TRUE(until([&] { return same(*all[0]) && same(*all[5]) && same(*all[7]); }));
  ASSERT_TRUE(until([&] { return late->in_step == 1 && same(*late); }));
  EXPECT_EQ(late->known.size(), 3u);
  EXPECT_EQ(std::count_if(server.requests.begin(), server.requests.end(),
                          [](const auto& r) { return r.find("watch=1") != r.npos; }),
            1);
  EXPECT_EQ(shared.followers(), 21u);
}

TEST_F(SharedInformersTest, whatever_happens_each_knows_what_an_informer_of_its_own_would) {
  Rng chance(7, "shared");
  const std::vector<std::string> selectors = {"app=a", "app=b,tier",   "app in (a,b)",
                                              "!tier", "app!=a",       "tier=1,app=c",
                                              "",      "tier in (1,2)"};
  auto labels = [&] {
    json out = json::object();
    if (chance.below(5) > 0) out["app"] = std::string(1, static_cast<char>('a' + chance.below(3)));
    if (chance.below(2) > 0) out["tier"] = std::to_string(1 + chance.below(3));
    return out;
  };
  std::vector<std::unique_ptr<Told>> all;
  for (const auto& selector : selectors) all.push_back(follow(selector));
  for (int step = 0; step < 400; ++step) {
    std::string name = "p" + std::to_string(chance.below(12));
    switch (chance.below(12)) {
      case 0:
        server.cut_watches();
        break;
      case 1:
        server.store().compact();
        server.cut_watches();
        break;
      case 2:
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(chance.below(all.size())));
        all.push_back(follow(selectors[chance.below(selectors.size())]));
        break;
      case 3:
      case 4:
        erase(name);
        break;
      default:
        put(name, labels());
    }
    if (chance.below(4) == 0) loop->run_for(Duration(0));
    if (step % 20 != 19) continue;
    ASSERT_TRUE(until([&] {
      return std::all_of(all.begin(), all.end(),
                         [&](const auto& one) { return one->in_step > 0 && same(*one); });
    })) << "step "
        << step;
  }
}

TEST_F(SharedInformersTest, a_few_read_only_their_own_part_and_more_share_the_whole) {
  for (const char* app : {"a", "b", "c", "d"}) put(app, {{"app", app}});
  SharedInformers few(2);
  std::vector<std::unique_ptr<Told>> all;
  for (const char* app : {"a", "b", "c", "d"}) {
    all.push_back(follow(std::string("app=") + app, few));
  }
  ASSERT_TRUE(until([&] { return server.watches() == 3; }));
  for (auto& one : all) EXPECT_EQ(one->known.size(), 1u);
  std::vector<std::string> lists;
  for (const auto& request : server.requests) {
    if (request.find("watch") == request.npos) lists.push_back(request.substr(4));
  }
  EXPECT_THAT(lists,
              ElementsAre(HasSubstr("labelSelector=app%3Da"), HasSubstr("labelSelector=app%3Db"),
                          ::testing::Not(HasSubstr("labelSelector")), HasSubstr("continue")));
}

TEST_F(SharedInformersTest, where_the_whole_may_not_be_listed_each_reads_its_own_part) {
  put("a", {{"app", "a"}});
  server.fault = [](const net::Request& request) -> std::optional<Answer> {
    if (request.query.find("labelSelector") != std::string::npos) return std::nullopt;
    return failure(403, "Forbidden", "pods is forbidden");
  };
  auto one = follow("app=a"), other = follow("app=b");
  ASSERT_TRUE(until([&] { return one->in_step == 1 && other->in_step == 1; }));
  EXPECT_TRUE(same(*one) && same(*other));
  EXPECT_TRUE(one->troubles.empty());
  server.fault = nullptr;
  server.forbid = {"list pods"};
  auto third = follow("app=c");
  ASSERT_TRUE(until([&] { return !third->troubles.empty(); }));
  EXPECT_THAT(third->troubles[0], HasSubstr("verbs [\"list\"]"));
}

TEST_F(SharedInformersTest, while_the_server_is_gone_all_hear_of_it_and_nothing_is_removed) {
  put("a", {{"app", "a"}});
  auto one = follow("app=a"), other = follow("app=b");
  ASSERT_TRUE(until([&] { return one->in_step == 1 && server.watches() == 1; }));
  server.down = true;
  server.cut_watches();
  ASSERT_TRUE(until([&] { return one->troubles.size() > 2 && other->troubles.size() > 2; }));
  auto late = follow("app=a");
  ASSERT_TRUE(until([&] { return late->in_step == 1; })) << "told what is known";
  EXPECT_EQ(late->known, one->known);
  erase("a");
  put("b", {{"app", "b"}});
  server.down = false;
  ASSERT_TRUE(until([&] { return same(*one) && same(*other) && same(*late); }));
  EXPECT_TRUE(until([&] { return one->in_step == 2; }));
}

TEST_F(SharedInformersTest, a_list_anew_is_read_page_by_page_and_tells_only_what_has_changed) {
  for (int i = 0; i < 40; ++i) put("p" + std::to_string(i), {{"model", std::to_string(i % 20)}});
  std::vector<std::unique_ptr<Told>> all;
  for (int i = 0; i < 20; ++i) all.push_back(follow("model=" + std::to_string(i)));
  ASSERT_TRUE(until([&] { return server.watches() == 1; }));
  server.cut_watches();
  server.requests.clear();
  put("p0", {{"model", "0"}, {"changed", "unseen"}});
  server.store().compact();
  ASSERT_TRUE(until([&] { return server.watches() == 1; }));
  std::vector<std::string> pages;
  for (const std::string& line : server.requests) {
    if (line.find("watch=1") == line.npos) pages.push_back(line);
  }
  EXPECT_EQ(pages.size(), 14U) << "forty in threes, once for all twenty";
  for (const std::string& page : pages) EXPECT_THAT(page, HasSubstr("limit=3"));
  for (const auto& one : all) {
    EXPECT_TRUE(same(*one)) << one->selector;  // and nothing was told twice: see follow()
    EXPECT_GE(one->in_step, 2) << one->selector;
  }
}

TEST_F(SharedInformersTest, what_is_told_lacks_what_nobody_reads) {
  server.put("v1", "pods",
             json::parse(R"({"metadata": {"name": "a", "namespace": "serve", "labels": {"app": "a"},
      "managedFields": [{}], "annotations": {"other": "x", "tidegate.dev/sleeping": "1",
        "controller.kubernetes.io/pod-deletion-cost": "-1000"}},
      "spec": {"nodeName": "n", "containers": [{"image": "i"}]}, "status": {"podIP": "10.0.0.1"}})"));
  json told;
  auto follower = shared.follow(client, kPods, "app=a",
                                {.changed = [&](const std::string&, const json& o) { told = o; },
                                 .removed = [](const std::string&) {},
                                 .in_step = [] {},
                                 .trouble = [](const ApiError&) {}});
  ASSERT_TRUE(until([&] { return !told.is_null(); }));
  EXPECT_FALSE(told["metadata"].contains("managedFields"));
  EXPECT_EQ(told["spec"], json({{"nodeName", "n"}}));
  EXPECT_EQ(told["metadata"]["annotations"].size(), 2u) << "those that an actuator reads";
  EXPECT_EQ(told["status"]["podIP"], "10.0.0.1");
}

TEST(LabelIndex, a_pod_is_held_against_few_selectors_of_very_many) {
  LabelIndex index;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    index.add(i, Selector::parse("app=vllm,model=m" + std::to_string(i)).value());
  }
  index.add(1000, Selector::parse("!hidden").value());
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_THAT(index.picks({{"app", "vllm"}, {"model", "m" + std::to_string(i)}}),
                ElementsAre(i, 1000u));
  }
  EXPECT_LE(index.asked(), 3 * 1000u);
  index.remove(7);
  EXPECT_THAT(index.picks({{"app", "vllm"}, {"model", "m7"}}), ElementsAre(1000u));
  EXPECT_THAT(index.picks({{"hidden", "yes"}}), ElementsAre());
}

}  // namespace
}  // namespace tidegate::live::kube
