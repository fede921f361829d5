#include "live/operator/learned_maps.h"

#include <gmock/gmock.h>

#include "live/operator/learned_text.h"
#include "live/operator/test_cluster.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

control::Taught tide_with(std::int64_t thousandths) {
  policy::State out;
  out.tide.emplace();
  out.tide->season.assign(policy::kTideSeasonSlots, thousandths);
  return {policy::carried_over(out), {}};
}

std::vector<control::VariantStarts> starts_of(int seconds_each, std::size_t how_many) {
  control::StageTimes start;
  start.engine = start.total = seconds(seconds_each);
  return {{"h100", std::vector(how_many, start)}};
}

/// One process: what its models know, and what was taught to it.
struct Process {
  Process(TestCluster& in, const std::string& identity)
      : maps(in.client, identity,
             {.taught = [this](const std::string&,
                               const control::Taught& s) { taught.push_back(s); },
              .learned = [this](const std::string&) { return knows; }}) {}
  std::vector<control::Taught> taught;
  control::Taught knows;
  LearnedMaps maps;
};

class LearnedMapsTest : public ::testing::Test {
 protected:
  const kube::Resource maps{"v1", "configmaps", "serve"};
  const std::vector<LearnedMaps::Place> places{{"m", "serve", "m", "uid-1"}};

  /// Looks as each second does, with all the time in the world, until it is so.
  bool until(Process& process, const std::function<bool()>& done) {
    return polled([&] {
      process.maps.look(places, later);
      return done();
    });
  }
  bool polled(const std::function<bool()>& done) {
    net::Loop::TimerId timer{};
    std::function<void()> again = [&] { timer = cluster.loop->after(millis(1), again); };
    again();
    const bool reached = cluster.until(done);
    cluster.loop->cancel(timer);
    return reached;
  }
  /// What was under way is answered, and nothing but what it may write now was written.
  bool ends(Process& process) {
    bool over = false;
    process.maps.hand_over([&] { over = true; });
    return polled([&] { return over; });
  }
  /// The write that was seen to arrive is answered, too.
  bool answered(Process& process) {
    return polled([&] { return process.maps.in_flight() == 0; });
  }
  json stored() {
    auto found = cluster.server.find("v1", "configmaps", "serve", "tidegate-learned-m");
    return found ? *found : json();
  }
  std::int64_t asked() const {
    return std::count_if(cluster.server.requests.begin(), cluster.server.requests.end(),
                         [](const std::string& r) { return r.find("configmaps") != r.npos; });
  }
  void put(const json& labels, const json& data) {
    cluster.server.put(
        "v1", "configmaps",
        {{"metadata", {{"name", "tidegate-learned-m"}, {"namespace", "serve"}, {"labels", labels}}},
         {"data", data}});
  }

  TestCluster cluster;
  const Instant later = Instant::never() - seconds(1);
};

TEST_F(LearnedMapsTest, one_look_reads_what_was_learned_of_all_models) {
  std::vector<LearnedMaps::Place> many;
  for (int i = 0; i < 5 * LearnedMaps::kMaxInFlight; ++i) {
    const std::string name = "m-" + std::to_string(i);
    many.push_back({name, "serve", name, "uid-" + name});
  }
  Process process(cluster, "a");
  process.maps.look(many, later);
  EXPECT_TRUE(cluster.until([&] { return asked() == std::ssize(many); })) << asked();
}

TEST_F(LearnedMapsTest, what_a_leader_wrote_is_taught_to_the_next_one_and_not_to_itself) {
  Process first(cluster, "a");
  first.knows = tide_with(1'500);
  ASSERT_TRUE(until(first, [&] { return !stored().is_null(); }));
  const json map = stored();
  EXPECT_EQ(map["metadata"]["ownerReferences"][0]["uid"], "uid-1") << "deleted with its Model";
  EXPECT_EQ(map["data"]["writtenBy"], "a");
  EXPECT_TRUE(first.taught.empty());

  Process second(cluster, "b");
  second.maps.lead(false);
  second.maps.look(places, later);
  EXPECT_EQ(second.maps.writes(), 0u);
  second.maps.lead(true);
  ASSERT_TRUE(until(second, [&] { return !second.taught.empty(); }));
  EXPECT_EQ(second.taught[0], first.knows);
  second.knows = second.taught[0];
  second.knows.learned.tide->season[3] = 7;
  ASSERT_TRUE(until(second, [&] { return stored()["data"]["writtenBy"] == "b"; }));

  first.maps.lead(true);  // again: the same process, another's map
  ASSERT_TRUE(until(first, [&] { return !first.taught.empty(); }));
  EXPECT_EQ(first.taught[0].learned.tide->season[3], 7);
}

TEST_F(LearnedMapsTest, it_is_written_once_a_period_and_only_where_it_has_changed) {
  Process one(cluster, "a");
  one.knows = tide_with(1);
  ASSERT_TRUE(until(one, [&] { return !stored().is_null(); }));
  ASSERT_EQ(one.maps.writes(), 1u);
  const Instant now = cluster.loop->now();
  const Duration period = LearnedMapsOptions{}.period;
  one.knows = tide_with(2);
  for (int i = 0; i < 20; ++i) one.maps.look(places, now + period / 2);
  EXPECT_EQ(one.maps.writes(), 1u) << "too early";
  ASSERT_TRUE(polled([&] {  // unless the write before is not answered yet
    one.maps.look(places, now + 2 * period);
    return one.maps.writes() == 2;
  }));
  ASSERT_TRUE(polled([&] {
    return stored()["data"]["learned"].get<std::string>() == learned_text(one.knows).value();
  }));
  for (int i = 0; i < 20; ++i) one.maps.look(places, later);
  EXPECT_EQ(one.maps.writes(), 2u) << "nothing new";
}

TEST_F(LearnedMapsTest, a_start_that_was_measured_is_written_soon_and_no_sooner_than_that) {
  Process one(cluster, "a");
  one.knows = tide_with(1);
  ASSERT_TRUE(until(one, [&] { return !stored().is_null(); }));
  ASSERT_TRUE(answered(one));
  const Instant now = cluster.loop->now();
  one.knows.cold_starts = starts_of(90, 1);
  std::vector<LearnedMaps::Place> measured = places;
  measured[0].starts = 1;
  for (int i = 0; i < 20; ++i) one.maps.look(measured, now);
  EXPECT_EQ(one.maps.writes(), 1u) << "too early";
  one.maps.look(places, now + LearnedMapsOptions{}.soon);
  EXPECT_EQ(one.maps.writes(), 1u) << "none was measured";
  one.maps.look(measured, now + LearnedMapsOptions{}.soon);
  ASSERT_EQ(one.maps.writes(), 2u);
  ASSERT_TRUE(polled([&] {
    return stored()["data"]["learned"].get<std::string>() == learned_text(one.knows).value();
  }));
  Process next(cluster, "b");
  ASSERT_TRUE(until(next, [&] { return !next.taught.empty(); }));
  EXPECT_EQ(next.taught[0].cold_starts, one.knows.cold_starts);
}

TEST_F(LearnedMapsTest, a_map_that_cannot_be_taken_is_never_fatal_and_left_where_it_is_not_ours) {
  const json ours = {{LearnedMaps::kManagedBy, "tidegate"}};
  const std::string good = learned_text(tide_with(9)).value();
  struct Row {
    const char* label;
    json labels, data;
    bool written_anew;
  };
  const Row rows[] = {
      {"of somebody else", json::object(), {{"version", "1"}, {"learned", good}}, false},
      {"of a later version", ours, {{"version", "2"}, {"learned", good}}, false},
      {"without a word", ours, {{"version", "1"}}, true},
      {"cut short", ours, {{"version", "1"}, {"learned", good.substr(0, good.size() / 2)}}, true},
      {"an index beyond its list",
       ours,
       {{"version", "1"}, {"learned", R"({"type":"Taught","learned":{"tide":{"way":30000}}})"}},
       true},
      {"too long",
       ours,
       {{"version", "1"}, {"learned", std::string(kMostLearnedBytes + 1, ' ')}},
       true},
  };
  for (const Row& row : rows) {
    put(row.labels, row.data);
    Process one(cluster, "b");
    one.knows = tide_with(1);
    const std::int64_t before = asked();
    auto by_us = [&] { return stored()["data"].value("writtenBy", "") == "b"; };
    ASSERT_TRUE(until(one, [&] { return row.written_anew ? by_us() : asked() > before; }))
        << row.label;
    ASSERT_TRUE(ends(one)) << row.label;
    EXPECT_EQ(by_us(), row.written_anew) << row.label;
    EXPECT_TRUE(one.taught.empty()) << row.label;
    EXPECT_EQ(one.maps.writes(), row.written_anew ? 1u : 0u) << row.label;
    cluster.server.erase("v1", "configmaps", "serve", "tidegate-learned-m");
  }
}

TEST_F(LearnedMapsTest, who_has_lost_the_lease_unawares_does_not_write_over_the_next_leader) {
  Process old(cluster, "a");
  old.knows = tide_with(1);
  ASSERT_TRUE(until(old, [&] { return !stored().is_null(); }));
  json theirs = stored();
  theirs["data"]["writtenBy"] = "b";
  cluster.server.put("v1", "configmaps", theirs);
  old.knows = tide_with(2);
  ASSERT_TRUE(until(old, [&] { return old.maps.writes() == 2; }));
  ASSERT_TRUE(ends(old));
  EXPECT_EQ(stored()["data"]["writtenBy"], "b") << "409: the version it knew is not the newest";
}

TEST_F(LearnedMapsTest, at_a_clean_end_it_is_written_before_the_lease_is_given_back) {
  Process one(cluster, "a");
  one.knows = tide_with(4);
  ASSERT_TRUE(until(one, [&] { return one.maps.writes() == 1; }));
  one.knows = tide_with(5);  // while the write before is under way
  bool over = false;
  one.maps.hand_over([&] { over = true; });
  EXPECT_FALSE(over);
  ASSERT_TRUE(polled([&] { return over; }));
  EXPECT_EQ(stored()["data"]["learned"], learned_text(tide_with(5)).value());
  cluster.server.down = true;  // and does not wait for a server that is gone
  Process other(cluster, "b");
  other.maps.look(places, later);
  EXPECT_TRUE(ends(other));
}

TEST_F(LearnedMapsTest, without_the_right_or_the_server_everything_else_goes_on) {
  cluster.server.forbid = {"get configmaps"};
  Process one(cluster, "a");
  one.knows = tide_with(1);
  ASSERT_TRUE(until(one, [&] { return asked() >= 2; })) << "asked again";
  EXPECT_EQ(one.maps.writes(), 0u);
  cluster.server.forbid.clear();
  EXPECT_TRUE(until(one, [&] { return !stored().is_null(); }));
}

TEST_F(LearnedMapsTest, that_the_server_is_gone_is_logged_for_the_first_model_alone) {
  std::vector<LearnedMaps::Place> many;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "m-" + std::to_string(i);
    many.push_back({name, "serve", name, "uid-" + name});
  }
  Process one(cluster, "a");
  testing::internal::CaptureStderr();
  cluster.server.down = true;
  one.maps.look(many, later);
  ASSERT_TRUE(answered(one));
  one.maps.look(many, later);
  ASSERT_TRUE(answered(one));
  const std::string log = testing::internal::GetCapturedStderr();
  const auto first = log.find("not carried over");
  ASSERT_NE(first, log.npos);
  EXPECT_EQ(log.find("not carried over", first + 1), log.npos) << log;
}

TEST(LearnedText, what_is_too_long_is_neither_written_nor_read_and_the_limit_is_itself_within) {
  control::Taught learned = tide_with(1);
  auto& variants = learned.learned.tide->variants;
  while (learned_text(learned)) variants.resize(variants.size() + 64);
  while (!learned_text(learned)) variants.pop_back();
  std::string text = learned_text(learned).value();
  EXPECT_LE(text.size(), kMostLearnedBytes);
  text.resize(kMostLearnedBytes, ' ');
  EXPECT_TRUE(learned_of(text)) << "at the limit";
  auto over = learned_of(text + " ");
  ASSERT_FALSE(over);
  EXPECT_THAT(over.error().message, HasSubstr("262145 bytes; the most is 262144"));
}

TEST(LearnedText, where_it_is_too_long_with_the_starts_it_goes_without_them) {
  control::Taught learned = tide_with(1);
  learned.cold_starts = starts_of(60, 16);
  EXPECT_EQ(learned_of(learned_text(learned).value()).value(), learned);
  learned.cold_starts = starts_of(60, 10'000);
  EXPECT_EQ(learned_of(learned_text(learned).value()).value(), tide_with(1));
}

TEST(LearnedText, nothing_learned_is_no_text) {
  EXPECT_EQ(learned_text({}).value(), "");
  EXPECT_EQ(learned_of(learned_text(tide_with(3)).value()).value(), tide_with(3));
}

TEST(LearnedMaps, names_are_what_the_api_takes_and_of_two_models_never_one) {
  auto name = [](const std::string& model) {
    return LearnedMaps::name_of({model, "serve", "", ""});
  };
  EXPECT_EQ(name("qwen3-32b"), "tidegate-learned-qwen3-32b");
  EXPECT_NE(name("Qwen/3"), name("qwen-3"));
  EXPECT_NE(name("a_b"), name("a b"));
  EXPECT_LE(name(std::string(1'000, 'm')).size(), 253u);
}

}  // namespace
}  // namespace tidegate::live
