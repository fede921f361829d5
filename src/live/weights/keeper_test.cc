#include "live/weights/keeper.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "live/kube/testing/api_server.h"
#include "live/weights/model_sources.h"
#include "live/weights/test_source.h"

namespace tidegate::live::weights {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Duration kPatience = seconds(30);  // never waited for when the code is right

class WeightsKeeper : public ::testing::Test {
 protected:
  WeightsKeeper() {
    settings.access.first_wait = millis(1);
    settings.download.progress_every = millis(5);
    server.put("v1", "nodes",
               {{"metadata",
                 {{"name", "gpu-7"},
                  {"labels", {{"zone", "a"}, {"weights.tidegate.dev/gone", "ready"}}}}}});
  }
  ~WeightsKeeper() override { stop(); }
  void start(std::int64_t capacity, Duration every = seconds(3600)) {
    auto client = std::make_shared<kube::KubeClient>(*loop, server.access());
    Cache cache = Cache::open(folder.path("c"), {.capacity = capacity, .keep_free = 0}).value();
    keeper = std::make_unique<Keeper>(
        *loop, std::move(cache), settings,
        KeepOptions{.every = every, .first_wait = millis(1), .capacity = capacity},
        std::make_unique<NodeLabels>(client, "gpu-7"));
    keeper->start();
  }
  void stop() {
    if (keeper == nullptr) return;
    bool stopped = false;
    keeper->stop([&] { stopped = true; });
    EXPECT_TRUE(wait([&] { return stopped; }));
    keeper.reset();
  }
  WantedSet set(const std::string& name, std::size_t size) {
    source.put("/" + name, {some_bytes(size, 1), "1"});
    return {.name = name, .sources = {source.url("/" + name)}, .list = {}};
  }
  std::vector<std::string> labels() {
    std::vector<std::string> out;
    const json node = *server.find("v1", "nodes", "", "gpu-7");
    for (const auto& [key, value] : node["metadata"]["labels"].items()) {
      out.push_back(key + "=" + value.get<std::string>());
    }
    return out;
  }
  bool wait(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  kube::ApiServer server{*loop};
  TestFolder folder;
  TestSource source;
  FetchSettings settings;
  std::unique_ptr<Keeper> keeper;
};

TEST_F(WeightsKeeper, the_node_says_what_is_ready_and_no_more) {
  start(0);
  keeper->want("manifest", {set("a", 1000), set("b", 10)});
  ASSERT_TRUE(wait([&] { return keeper->complete() && labels().size() == 3; }));
  EXPECT_THAT(labels(),
              ElementsAre("weights.tidegate.dev/a=ready", "weights.tidegate.dev/b=ready", "zone=a"))
      << "a label of a set that is not there any more goes; others are not ours";
  const std::string page = keeper->metrics();
  EXPECT_THAT(page, HasSubstr("tidegate_weights_ready{set=\"a\"} 1"));
  EXPECT_THAT(page, HasSubstr("tidegate_weights_fetches_total 2"));
  EXPECT_THAT(page, HasSubstr("tidegate_weights_fetched_bytes_total 1010"));
  EXPECT_THAT(page, HasSubstr("tidegate_weights_cache_bytes 1010"));
  EXPECT_THAT(page, HasSubstr("tidegate_weights_fetch_seconds{set=\"a\"}"));
}

TEST_F(WeightsKeeper, a_label_goes_before_its_set) {
  start(1000);
  std::vector<std::string> history;
  server.on_change = [&](const kube::Change&) {
    const bool there = std::filesystem::exists(folder.path("c/a"));
    const auto now = labels();
    const bool said = std::count(now.begin(), now.end(), "weights.tidegate.dev/a=ready") > 0;
    history.push_back(std::string(said ? "said" : "not said") + (there ? ", there" : ", gone"));
  };
  keeper->want("manifest", {set("a", 600)});
  ASSERT_TRUE(wait([&] { return !history.empty() && history.back() == "said, there"; }));
  keeper->want("manifest", {set("b", 600)});
  ASSERT_TRUE(wait([&] { return keeper->complete() && labels().size() == 2; }));
  EXPECT_THAT(labels(), ElementsAre("weights.tidegate.dev/b=ready", "zone=a"));
  EXPECT_FALSE(std::filesystem::exists(folder.path("c/a")));
  EXPECT_EQ(std::count(history.begin(), history.end(), "said, gone"), 0);
  EXPECT_EQ(std::count(history.begin(), history.end(), "not said, there"), 1)
      << "taken off while the set was still there";
  EXPECT_THAT(keeper->metrics(), HasSubstr("tidegate_weights_evictions_total 1"));
}

TEST_F(WeightsKeeper, a_set_whose_label_cannot_be_taken_off_stays) {
  start(1000);
  keeper->want("manifest", {set("a", 600)});
  ASSERT_TRUE(wait([&] { return keeper->complete() && labels().size() == 2; }));
  server.forbid = {"patch nodes"};
  keeper->want("manifest", {set("b", 600)});
  ASSERT_TRUE(
      wait([&] { return keeper->metrics().find("fetch_failures_total 0") == std::string::npos; }));
  EXPECT_TRUE(std::filesystem::exists(folder.path("c/a")));
  server.forbid.clear();
  ASSERT_TRUE(wait([&] { return keeper->complete(); })) << "tried again by itself";
}

TEST_F(WeightsKeeper, one_that_fails_lets_the_others_pass_and_comes_when_it_can) {
  start(0);
  WantedSet late = set("a", 10);
  late.sources = {source.url("/late")};
  keeper->want("manifest", {late, set("b", 10)});
  ASSERT_TRUE(wait([&] {
    return std::filesystem::exists(folder.path("c/b")) &&
           keeper->metrics().find("fetch_failures_total 0") == std::string::npos;
  }));
  EXPECT_FALSE(keeper->complete());
  EXPECT_THAT(keeper->metrics(), HasSubstr("tidegate_weights_ready{set=\"a\"} 0"));
  source.put("/late", {"x", "1"});
  EXPECT_TRUE(wait([&] { return keeper->complete(); }));
}

TEST_F(WeightsKeeper, what_two_want_is_fetched_once_and_kept_while_one_wants_it) {
  start(1000);
  keeper->want("manifest", {set("a", 600)});
  keeper->want("cluster", {set("a", 600)});
  ASSERT_TRUE(wait([&] { return keeper->complete(); }));
  keeper->want("cluster", {});
  keeper->want("other", {set("b", 600)});
  ASSERT_TRUE(
      wait([&] { return keeper->metrics().find("fetch_failures_total 0") == std::string::npos; }));
  EXPECT_TRUE(std::filesystem::exists(folder.path("c/a")));
  EXPECT_THAT(keeper->metrics(), HasSubstr("tidegate_weights_fetches_total 1"));
}

TEST_F(WeightsKeeper, a_stop_in_the_middle_of_a_fetch_is_soon_over) {
  source.on_ask([](const TestSource::Ask& ask, net::Exchange& x) {
    if (ask.range == "bytes=0-0") return false;
    net::Headers headers;
    headers.add("Content-Range", "bytes 0-599/600");
    headers.add("Content-Length", "600");
    x.start(206, headers);
    x.write("the rest never comes");
    return true;
  });
  start(0);
  keeper->want("manifest", {set("a", 600)});
  ASSERT_TRUE(wait([&] { return source.asks().size() >= 2; }));
  stop();
  EXPECT_FALSE(std::filesystem::exists(folder.path("c/a")));
}

TEST_F(WeightsKeeper, a_node_has_so_many_labels_and_no_more) {
  NodeLabels node(std::make_shared<kube::KubeClient>(*loop, server.access()), "gpu-7");
  NodeLabels::Names names;
  for (std::size_t i = 0; i <= kMaxLabels; ++i) {
    names.insert("m" + std::to_string(100 + i));
    if (i + 2 < kMaxLabels) continue;
    bool done = false;
    node.set(names, [&](const Result<void>& result) { done = result.has_value(); });
    ASSERT_TRUE(wait([&] { return done; }));
    EXPECT_EQ(labels().size(), 1 + std::min(kMaxLabels, i + 1));
  }
  server.requests.clear();
  bool done = false;
  node.set(names, [&](const Result<void>&) { done = true; });
  ASSERT_TRUE(wait([&] { return done; }));
  EXPECT_THAT(server.requests, ElementsAre("GET /api/v1/nodes/gpu-7")) << "nothing to write";
}

TEST_F(WeightsKeeper, a_node_that_is_not_there_is_named) {
  NodeLabels node(std::make_shared<kube::KubeClient>(*loop, server.access()), "gpu-8");
  std::string error;
  node.set({"m"},
           [&](const Result<void>& result) { error = result ? "" : result.error().message; });
  ASSERT_TRUE(wait([&] { return !error.empty(); }));
  EXPECT_THAT(error, HasSubstr("gpu-8"));
}

TEST(WeightsOfModels, each_source_counts_once_and_only_public_ones_unless_models_are_trusted) {
  spec::Model one{.name = "one"}, two{.name = "two"};
  one.variants.resize(3);
  one.variants[0].cold_start.weights.source = "hf://a/m@v1";
  one.variants[1].cold_start.weights.source = "file:///etc/";
  two.variants.resize(2);
  two.variants[0].cold_start.weights.source = "hf://a/m@v1";
  two.variants[1].cold_start.weights.source = "http://169.254.169.254/latest.json";
  std::vector<std::string> refused;
  const auto names = [&](SourceRule rule) {
    std::string out;
    for (const auto& set : sets_of({&one, &two}, rule, [&](const auto&model, const auto&why) {
           refused.push_back(model + ": " + why);
         })) {
      out += set.name + " ";
    }
    return out;
  };
  EXPECT_EQ(names(SourceRule::kPublic), "a--m--v1 ");
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_THAT(refused[0], HasSubstr("one: coldStart.weights.source file:///etc/: a Model may"));
  EXPECT_EQ(names(SourceRule::kAny), "a--m--v1 etc latest ");
}

}  // namespace
}  // namespace tidegate::live::weights
