#include "live/kube/event_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/testing/given_server.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class EventReaderTest : public ::testing::Test {
 protected:
  bool until(const std::function<bool()>& done) { return loop->run_until(done, seconds(20)); }
  /// About an object with this uid, as kubelets write them.
  void event(const std::string& name, const std::string& uid) {
    given.objects().put("v1", "events",
                        {{"metadata", {{"name", name}, {"namespace", given.ns}}},
                         {"involvedObject", {{"namespace", given.ns}, {"uid", uid}}},
                         {"reason", "Pulled"},
                         {"message", name},
                         {"type", "Normal"},
                         {"firstTimestamp", "2026-01-02T03:04:05Z"},
                         {"lastTimestamp", "2026-01-02T03:04:05Z"}});
  }
  EventReader::Done into(std::vector<std::string>& notes) {
    return [this, &notes](const ApiResult<json>& list) {
      ++answers;
      if (!list) return notes.push_back(list.error().message);
      for (const json& one : list->at("items")) notes.push_back(one.value("note", ""));
    };
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  GivenServer given{*loop};
  std::shared_ptr<KubeClient> client = std::make_shared<KubeClient>(*loop, given.access());
  EventReader reader{*loop, millis(1)};
  int answers = 0;
};

TEST_F(EventReaderTest, ThoseAboutOneObjectComeAndNoOthers) {
  event("mine-1", "u-1");
  event("other", "u-2");
  event("mine-2", "u-1");
  std::vector<std::string> mine, nobodys;
  EXPECT_TRUE(reader.read(client, given.ns, "u-1", into(mine)));
  EXPECT_TRUE(reader.read(client, given.ns, "u-3", into(nobodys)));
  EXPECT_EQ(answers, 0) << "never from inside";
  ASSERT_TRUE(until([&] { return answers == 2; }));
  EXPECT_THAT(mine, ::testing::UnorderedElementsAre("mine-1", "mine-2"));
  EXPECT_TRUE(nobodys.empty());
}

TEST_F(EventReaderTest, FieldsThatAServerDoesNotSelectByAreRefused) {
  struct Row {
    Resource of;
    const char* field;
    const char* says;  ///< empty: it does
  };
  const Resource fresh{"events.k8s.io/v1", "events", given.ns};
  const Row rows[] = {
      {fresh, "regarding.uid", ""},
      {fresh, "regarding.fieldPath", ""},
      {fresh, "metadata.name", ""},
      {fresh, "involvedObject.uid", "field label not supported: involvedObject.uid"},
      {fresh, "note", "field label not supported: note"},
      {{"v1", "events", given.ns}, "involvedObject.uid", ""},
      {{"v1", "events", given.ns}, "regarding.uid", "field label not supported: regarding.uid"},
      {{"v1", "pods", given.ns}, "spec.nodeName", ""},
      {{"v1", "pods", given.ns}, "spec.image", "field label not supported: spec.image"},
      {{"apps/v1", "deployments", given.ns}, "spec.replicas", "is not a known field selector"},
  };
  for (const Row& row : rows) {
    ApiCall call = list(row.of, "", 1);
    call.query += std::string("&fieldSelector=") + row.field + "%3Dx";
    std::string said = "nothing";
    client->call(
        call, [&](const ApiResult<json>& answer) { said = answer ? "" : answer.error().message; });
    ASSERT_TRUE(until([&] { return said != "nothing"; }));
    EXPECT_THAT(said, HasSubstr(row.says)) << row.of.path() << " " << row.field;
    EXPECT_EQ(said.empty(), *row.says == '\0') << row.of.path() << " " << row.field << ": " << said;
  }
}

TEST_F(EventReaderTest, OneIsAskedForAtATimeAndOnlySoManyWait) {
  ONLY_IN_THIS_PROCESS(given);
  std::vector<std::string> notes;
  const int taken = static_cast<int>(EventReader::kMaxWaiting) + 1;  // one is with the server
  for (int i = 0; i < taken; ++i) EXPECT_TRUE(reader.read(client, given.ns, "u", into(notes))) << i;
  EXPECT_FALSE(reader.read(client, given.ns, "u", into(notes)));
  int most = 0;
  auto asked = [&] {
    return static_cast<int>(
        std::count_if(given.in_process.requests.begin(), given.in_process.requests.end(),
                      [](const std::string& one) { return one.find("/events?") != one.npos; }));
  };
  ASSERT_TRUE(until([&] {
    most = std::max(most, asked() - answers);
    return answers == taken;
  }));
  EXPECT_EQ(most, 1);
  EXPECT_TRUE(reader.read(client, given.ns, "u", into(notes))) << "there is room again";
}

TEST_F(EventReaderTest, WithoutTheRightItIsSaidOnceAndNotAskedAgainForAWhile) {
  ONLY_IN_THIS_PROCESS(given);
  given.in_process.forbid = {"list events"};
  std::vector<std::string> said;
  testing::internal::CaptureStderr();
  EXPECT_TRUE(reader.read(client, given.ns, "u", into(said)));
  EXPECT_TRUE(reader.read(client, given.ns, "u", into(said))) << "before the answer is known";
  ASSERT_TRUE(until([&] { return answers == 1; }));
  EXPECT_FALSE(reader.read(client, given.ns, "u", into(said)));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("pods' Events are not read"));
  EXPECT_THAT(said.at(0), HasSubstr("events"));
  EXPECT_EQ(answers, 1) << "who waited behind it is not told";
}

TEST_F(EventReaderTest, ItMayDieWithListsUnderWay) {
  std::vector<std::string> notes;
  {
    EventReader dying{*loop, millis(1)};
    for (int i = 0; i < 3; ++i) dying.read(client, given.ns, "u", into(notes));
  }
  EXPECT_TRUE(reader.read(client, given.ns, "u", into(notes)));
  ASSERT_TRUE(until([&] { return answers == 1; }));
}

}  // namespace
}  // namespace tidegate::live::kube
