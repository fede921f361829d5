#include "live/kube/event_writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "live/kube/testing/api_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr Duration kPatience = seconds(20);

class EventWriterTest : public ::testing::Test {
 protected:
  void tell(const std::string& note, const std::string& name = "m") {
    writer->tell({.regarding = {"tidegate.dev/v1alpha1", "Model", "serve", name, "u-1"},
                  .warning = false,
                  .reason = "Forecast",
                  .action = "ScaleUp",
                  .note = note});
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kPatience); }
  std::vector<json> events() const {
    std::vector<json> out;
    for (const auto& one : server.all("events.k8s.io/v1", "events", "serve")) out.push_back(*one);
    return out;
  }
  std::size_t asked(const std::string& method) const {
    return static_cast<std::size_t>(
        std::count_if(server.requests.begin(), server.requests.end(),
                      [&](const std::string& line) { return line.starts_with(method); }));
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  ApiServer server{*loop};
  std::shared_ptr<KubeClient> client = std::make_shared<KubeClient>(*loop, server.access());
  std::unique_ptr<EventWriter> writer =
      std::make_unique<EventWriter>(client, EventOptions{.controller = "tidegate.dev/tidegate",
                                                         .instance = "pod-a",
                                                         .first_wait = millis(1)});
};

TEST_F(EventWriterTest, an_event_holds_all_that_the_server_asks_for) {
  tell("2 -> 3");
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  const json event = events()[0];
  EXPECT_EQ(event["reason"], "Forecast");
  EXPECT_EQ(event["action"], "ScaleUp");
  EXPECT_EQ(event["note"], "2 -> 3");
  EXPECT_EQ(event["type"], "Normal");
  EXPECT_EQ(event["reportingController"], "tidegate.dev/tidegate");
  EXPECT_EQ(event["regarding"]["uid"], "u-1");
  EXPECT_THAT(event["metadata"]["name"].get<std::string>(), HasSubstr("m."));
  EXPECT_FALSE(event.contains("series"));
}

TEST_F(EventWriterTest, the_same_words_are_one_event_with_a_count) {
  tell("no room");
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  for (int i = 0; i < 4; ++i) tell("no room");
  tell("room again");
  ASSERT_TRUE(until([&] { return events().size() == 2; }));
  ASSERT_TRUE(until([&] {
    const auto all = events();
    return std::any_of(all.begin(), all.end(), [](const json& one) {
      return one["note"] == "no room" && one.contains("series") && one["series"]["count"] == 5;
    });
  }));
  EXPECT_LE(asked("PATCH"), 2u) << "those that came together went together";
}

TEST_F(EventWriterTest, an_object_has_a_burst_and_what_is_left_out_is_counted) {
  for (int i = 0; i < EventWriter::kBurst + 7; ++i) tell("n " + std::to_string(i));
  tell("of another", "other");
  ASSERT_TRUE(until([&] { return events().size() == EventWriter::kBurst + 1; }));
  std::set<std::string> names;
  bool other = false;
  for (const json& one : events()) {
    names.insert(one["metadata"]["name"]);
    other = other || one["note"] == "of another";
  }
  EXPECT_EQ(names.size(), events().size());
  EXPECT_TRUE(other) << "each object has its own";
}

TEST_F(EventWriterTest, without_an_answer_it_is_tried_again_in_order) {
  int broken = 1;
  server.fault = [&](const net::Request& request) -> std::optional<Answer> {
    if (request.method != "POST" || broken-- <= 0) return std::nullopt;
    return Answer{.status = 503, .body = {{"kind", "Status"}, {"code", 503}}};
  };
  tell("first");
  tell("second");
  ASSERT_TRUE(until([&] { return events().size() == 2; }));
  EXPECT_EQ(asked("POST"), 3u);
}

TEST_F(EventWriterTest, without_the_right_it_is_silent_for_a_while) {
  server.forbid = {"create events"};
  tell("first");
  ASSERT_TRUE(until([&] { return writer->off(); }));
  const std::size_t before = server.requests.size();
  for (int i = 0; i < 5; ++i) tell("n " + std::to_string(i));
  bool answered = false;
  client->call(read("/version"), [&](const ApiResult<json>&) { answered = true; });
  ASSERT_TRUE(until([&] { return answered; }));
  EXPECT_EQ(server.requests.size(), before + 1);
}

TEST_F(EventWriterTest, once_the_right_is_there_what_comes_is_written) {
  writer = std::make_unique<EventWriter>(
      client, EventOptions{.controller = "t", .instance = "i", .forbidden_rests = millis(20)});
  server.forbid = {"create events"};
  tell("refused");
  ASSERT_TRUE(until([&] { return !server.requests.empty(); }));
  bool rested = false;
  server.forbid.clear();
  loop->after(millis(100), [&] { rested = true; });  // five times as long as it rests
  ASSERT_TRUE(until([&] { return rested; }));
  tell("taken");
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  EXPECT_EQ(events()[0]["note"], "taken");
}

TEST_F(EventWriterTest, one_whose_time_ran_out_is_made_anew) {
  tell("no room");
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  const std::string old = events()[0]["metadata"]["name"];
  server.erase("events.k8s.io/v1", "events", "serve", old);
  tell("no room");
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  EXPECT_NE(events()[0]["metadata"]["name"], old);
  EXPECT_EQ(events()[0]["series"]["count"], 2);
}

TEST_F(EventWriterTest, a_long_note_is_cut_between_characters) {
  std::string note;
  for (int i = 0; i < 600; ++i) note += "\xC3\xA9";
  tell("x" + note);
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  const std::string kept = events()[0]["note"];
  EXPECT_LE(kept.size(), EventWriter::kMaxNote);
  EXPECT_EQ(kept.size() % 2, 1u);
}

TEST_F(EventWriterTest, while_nothing_is_heard_only_so_many_wait) {
  server.down = true;
  for (std::size_t i = 0; i < EventWriter::kMaxQueue + 100; ++i) tell("n", "m" + std::to_string(i));
  server.down = false;
  auto made = [this] { return server.all("events.k8s.io/v1", "events", "serve").size(); };
  ASSERT_TRUE(until([&] { return made() >= EventWriter::kMaxQueue - 1; }));
  EXPECT_LE(made(), EventWriter::kMaxQueue + 1);
}

}  // namespace
}  // namespace tidegate::live::kube
