#include "live/operator/cluster_report.h"

#include <gmock/gmock.h>

#include <set>

#include "live/operator/announcements.h"
#include "live/operator/test_cluster.h"

namespace tidegate::live {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kSpec = "variants: [{maxReplicas: 4, target: {kubernetes: {name: m}}}]";

class ClusterReportTest : public ::testing::Test, protected TestCluster {
 protected:
  void follow() {
    EXPECT_TRUE(put("m", kSpec));
    followed = std::make_unique<ClusterModels>(
        client,
        ClusterModelsOptions{.namespaces = {"serve"},
                             .trusted = false,
                             .informer = {.page_pause = millis(1),
                                          .first_wait = millis(1),
                                          .longest_wait = millis(4)}},
        ClusterModelsHooks{.admit = [](auto&) { return Result<void>(); }, .changed = [] {}});
    followed->start();
    ASSERT_TRUE(until([&] { return followed->find("m") != nullptr; }));
    report = std::make_unique<ClusterReport>(client, *followed, "pod-a", rates);
    sight.variants = {{.name = "h100", .ready = 1, .desired = 2, .ordered = 1}};
    sight.reasons = {{ReasonCode::kForecast, "h100", 1, 2, {}}};
    sight.queue_requests = 3;
    beat();
  }
  /// The loop must wake for looks although nothing happens on the wire.
  void beat() {
    loop->after(millis(1), [this] { beat(); });
  }
  void look() {
    report->look([this](const std::string&) -> std::optional<ModelSight> {
      if (running) return sight;
      return std::nullopt;
    });
  }
  /// Looks until it is so; what is written within a period waits for the next.
  bool shows(const std::string& replicas) {
    return until([&] {
      look();
      return status("m").value("replicas", "") == replicas;
    });
  }
  std::size_t writes() const {
    return static_cast<std::size_t>(
        std::count_if(server.requests.begin(), server.requests.end(), [](const std::string& line) {
          return line.starts_with("PATCH") && line.find("/status") != std::string::npos;
        }));
  }

  std::unique_ptr<ClusterModels> followed;
  std::unique_ptr<ClusterReport> report;
  ModelSight sight;
  bool running = true;
  StatusRates rates{.least = millis(1), .numbers = seconds(3'600)};
};

TEST_F(ClusterReportTest, the_status_is_applied_by_our_own_manager_and_fits_the_definition) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  const json object = *server.find(models.api_version, models.plural, "serve", "m");
  EXPECT_EQ(object["status"]["queueRequests"], 3);
  EXPECT_EQ(object["status"]["variants"][0]["orderedReplicas"], 1);
  EXPECT_EQ(object["status"]["observedGeneration"], 1);
  EXPECT_EQ(object["metadata"]["generation"], 1) << "the spec is untouched";
  EXPECT_FALSE(object["status"]["conditions"][0].value("lastTransitionTime", "").empty());
  bool ours = false;
  for (const json& one : object["metadata"]["managedFields"]) {
    ours = ours || (one["manager"] == "tidegate" && one["operation"] == "Apply" &&
                    one["subresource"] == "status");
  }
  EXPECT_TRUE(ours);
}

TEST_F(ClusterReportTest, what_has_not_changed_is_not_written_again) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  const std::size_t before = writes();
  for (int i = 0; i < 50; ++i) look();
  sight.queue_requests = 9;  // a number alone is no news within its period
  for (int i = 0; i < 50; ++i) look();
  ASSERT_TRUE(ask(kube::get(models, "m"))) << "whatever was sent has arrived before this";
  EXPECT_EQ(writes(), before);
}

TEST_F(ClusterReportTest, a_change_soon_after_another_waits_for_its_period) {
  rates.least = seconds(3'600);
  follow();
  ASSERT_TRUE(shows("1/2")) << "the first is written at once";
  const std::size_t before = writes();
  sight.variants[0].ready = 2;
  for (int i = 0; i < 50; ++i) look();
  ASSERT_TRUE(ask(kube::get(models, "m")));
  EXPECT_EQ(writes(), before);
}

TEST_F(ClusterReportTest, a_change_after_its_period_is_written) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  sight.variants[0].ready = 2;
  ASSERT_TRUE(shows("2/2"));
  EXPECT_EQ(writes(), 2u);
}

TEST_F(ClusterReportTest, after_a_restart_times_are_kept_and_nothing_is_written_for_nothing) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  const json stored = status("m");
  const std::size_t before = writes();
  report.reset();
  ASSERT_TRUE(until([&] { return !followed->find("m")->object.status.empty(); }));
  report = std::make_unique<ClusterReport>(client, *followed, "pod-b", rates);
  for (int i = 0; i < 20; ++i) look();
  ASSERT_TRUE(ask(kube::get(models, "m")));
  EXPECT_EQ(writes(), before);
  EXPECT_EQ(status("m"), stored);
}

TEST_F(ClusterReportTest, a_refused_spec_is_told_in_the_status_and_as_an_event_once) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  ASSERT_TRUE(put("m",
                  "{scaling: {schedule: [{cron: never, duration: 1h, minReplicas: 1}]}, "
                  "variants: [{}]}"));
  ASSERT_TRUE(until([&] {
    look();
    return status("m").value("reason", "") == "Invalid";
  }));
  EXPECT_THAT(status("m").value("message", ""), HasSubstr("spec.scaling.schedule[0].cron"));
  EXPECT_EQ(status("m")["observedGeneration"], 2);
  EXPECT_EQ(status("m").value("replicas", ""), "1/2") << "the spec before goes on";
  ASSERT_TRUE(until([&] { return events().size() == 1; }));
  const json event = events()[0];
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "Invalid");
  EXPECT_EQ(event["action"], "KeepSpecBefore");
  EXPECT_EQ(event["reportingInstance"], "pod-a");
  EXPECT_EQ(event["regarding"]["kind"], "Model");
  EXPECT_EQ(event["regarding"]["uid"],
            (*server.find(models.api_version, models.plural, "serve", "m"))["metadata"]["uid"]);
}

TEST_F(ClusterReportTest, announcements_are_events_about_the_model) {
  follow();
  report->announced("m", {{ReasonCode::kForecast, "h100", 2, 5, {{"demand_tokens", 1234.5}}}, ""});
  report->announced("m", {{ReasonCode::kForeignWrite, "h100", 5, 3, {}}, ""});
  report->announced("another", {{ReasonCode::kForecast, "h100", 2, 5, {}}, ""});
  ASSERT_TRUE(until([&] { return events().size() == 2; }));
  json up, foreign;
  for (const json& event : events()) (event["reason"] == "Forecast" ? up : foreign) = event;
  EXPECT_EQ(up["action"], "ScaleUp");
  EXPECT_EQ(up["type"], "Normal");
  EXPECT_THAT(up["note"].get<std::string>(), HasSubstr("h100: 2 -> 5 replicas: demand forecast"));
  EXPECT_THAT(up["note"].get<std::string>(), HasSubstr("(demand_tokens 1234)"));
  EXPECT_EQ(foreign["reason"], "ForeignWrite");
  EXPECT_EQ(foreign["type"], "Warning");
}

TEST_F(ClusterReportTest, who_does_not_lead_writes_nothing) {
  follow();
  report->lead(false);
  look();
  report->announced("m", {{ReasonCode::kForecast, "h100", 2, 5, {}}, ""});
  ASSERT_TRUE(ask(kube::get(models, "m")));
  EXPECT_EQ(writes(), 0u);
  EXPECT_TRUE(events().empty());
  report->lead(true);
  EXPECT_TRUE(shows("1/2"));
}

TEST_F(ClusterReportTest, who_leads_again_starts_from_what_another_wrote_meanwhile) {
  follow();
  ASSERT_TRUE(shows("1/2"));
  report->lead(false);
  json theirs = *server.find(models.api_version, models.plural, "serve", "m");
  theirs["status"]["replicas"] = "0/7";
  server.put(models.api_version, models.plural, theirs);
  ASSERT_TRUE(
      until([&] { return followed->find("m")->object.status.find("0/7") != std::string::npos; }));
  report->lead(true);
  EXPECT_TRUE(shows("1/2"));
}

TEST_F(ClusterReportTest, what_could_not_be_written_is_written_later_as_it_is_then) {
  follow();
  server.fault = [](const net::Request& request) -> std::optional<kube::Answer> {
    if (request.method != "PATCH") return std::nullopt;
    return kube::Answer{.status = 500, .body = {{"kind", "Status"}, {"code", 500}}};
  };
  ASSERT_TRUE(until([&] {
    look();
    return writes() == 1;
  }));
  sight.variants[0].ready = 2;
  server.fault = nullptr;
  EXPECT_TRUE(shows("2/2"));
}

class ManyModelsTest : public ClusterReportTest {
 protected:
  static constexpr std::size_t kModels = 45;
  void follow_many() {
    for (std::size_t i = 1; i < kModels; ++i) {
      ASSERT_TRUE(put("m-" + std::to_string(i), "variants: [{maxReplicas: 4}]"));
    }
    follow();
    ASSERT_TRUE(until([&] { return followed->entries().size() == kModels; }));
  }
  std::size_t told() const {
    const auto all = server.all(models.api_version, models.plural, "serve");
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const auto& model) { return model->contains("status"); }));
  }
};

TEST_F(ManyModelsTest, one_look_is_enough_to_tell_of_all) {
  follow_many();
  look();
  ASSERT_TRUE(until([&] { return told() == kModels; })) << told();
  EXPECT_EQ(writes(), kModels);
}

TEST_F(ManyModelsTest, where_nothing_changes_nothing_is_asked_of_the_server) {
  follow_many();
  look();
  ASSERT_TRUE(until([&] { return told() == kModels; }));
  ASSERT_TRUE(until([&] {
    const auto& entries = followed->entries();  // our own writes have come back
    return std::none_of(entries.begin(), entries.end(),
                        [](const auto& entry) { return entry.second.object.status.empty(); });
  }));
  const std::size_t before = server.requests.size();
  for (int second = 0; second < 60; ++second) {
    sight.queue_requests = second;  // no news within its period
    look();
  }
  ASSERT_TRUE(ask(kube::get(models, "m"))) << "whatever was sent has arrived before this";
  EXPECT_EQ(server.requests.size(), before + 1);
}

TEST_F(ManyModelsTest, each_is_looked_at_once_a_round_and_few_at_a_time) {
  follow_many();
  std::map<std::string, int> looked;
  for (int round = 1; round <= 2; ++round) {
    for (int turn = 0; turn < ClusterReport::kTurns; ++turn) {
      std::size_t at_once = 0;
      report->look_on([&](const std::string& model) -> std::optional<ModelSight> {
        ++looked[model];
        ++at_once;
        return sight;
      });
      EXPECT_LE(at_once, kModels / ClusterReport::kTurns + 1);
    }
    EXPECT_EQ(looked.size(), kModels);
    for (const auto& [model, times] : looked) EXPECT_EQ(times, round) << model;
  }
}

TEST_F(ManyModelsTest, statuses_of_all_together_have_a_rate_and_go_in_the_order_of_their_changes) {
  StatusWriter writer(client, {.per_second = 2});
  const Instant start = loop->now() + seconds(3'600);  // answers come before, and add no room
  const auto show = [&](int model, Instant now) {
    const std::string name = "n-" + std::to_string(model);
    writer.show({"serve", name, "uid"}, R"({"replicas":"1/1"})", "", now);
  };
  for (int model : {3, 2, 1, 4}) show(model, start);
  const auto written = [&] {
    std::set<std::string> out;
    for (const std::string& line : server.requests) {
      if (auto at = line.find("/models/n-"); at != line.npos) out.insert(line.substr(at + 8, 3));
    }
    return out;
  };
  ASSERT_TRUE(until([&] { return written().size() == 2; }));
  EXPECT_THAT(written(), ::testing::ElementsAre("n-2", "n-3"));
  EXPECT_EQ(writer.writes(), 2U);
  show(4, start + seconds(1));
  ASSERT_TRUE(until([&] { return written().size() == 4; }));
  EXPECT_EQ(writer.writes(), 4U);
}

TEST_F(ManyModelsTest, that_the_server_is_gone_is_logged_for_the_first_model_alone) {
  follow_many();
  StatusWriter writer(client, {.least = seconds(1), .per_second = 1'000});
  testing::internal::CaptureStderr();
  server.down = true;
  for (int model = 0; model < 30; ++model) {
    writer.show({"serve", "n-" + std::to_string(model), "uid"}, R"({"replicas":"1/1"})", "",
                loop->now());
  }
  ASSERT_TRUE(until([&] { return writer.writes() == 30 && writer.in_flight() == 0; }));
  server.down = false;
  const std::string log = testing::internal::GetCapturedStderr();
  const auto first = log.find("status not written");
  ASSERT_NE(first, log.npos);
  EXPECT_EQ(log.find("status not written", first + 1), log.npos) << log;
}

TEST(Announcements, replicas_found_at_a_start_are_no_events) {
  EXPECT_FALSE(event_words({{ReasonCode::kAdopted, "h100", 0, 1, {}}, "replica 1"}));
  EXPECT_TRUE(event_words({{ReasonCode::kAdopted, "", 0, 0, {}}, "this controller leads"}));
}

}  // namespace
}  // namespace tidegate::live
