#include "format/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "format/spec_explain.h"
#include "format/spec_schema.h"

namespace tidegate::format {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using workload::Scenario;

constexpr std::string_view kHead =
    "apiVersion: tidegate.dev/v1alpha1\n"
    "kind: Scenario\n"
    "metadata: {name: s}\n"
    "spec:\n";
constexpr std::string_view kModel =
    "---\n"
    "apiVersion: tidegate.dev/v1alpha1\n"
    "kind: Model\n"
    "metadata: {name: m}\n"
    "spec:\n"
    "  adapters: [{name: sql}]\n"
    "  priorityClasses: [{name: interactive}, {name: batch}]\n"
    "  variants: [{name: h100, hardware: {accelerator: h100}}]\n";

/// A folder of its own with one scenario file in it.
class Folder {
 public:
  Folder() {
    auto base = std::filesystem::temp_directory_path() / "tidegate-scenario-XXXXXX";
    std::string name = base.string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view text) const {
    std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  std::string path_;
};

std::string texts(const ScenarioFile& file) {
  std::string out;
  for (const Diagnostic& d : file.spec.diagnostics) {
    std::string text = d.text();
    out += text.substr(text.find("s.yaml") == std::string::npos ? 0 : text.find("s.yaml")) + "\n";
  }
  return out;
}

ScenarioFile load_text(std::string_view text) {
  Folder folder;
  return load_scenario_file(folder.write("s.yaml", text));
}
/// A scenario whose spec holds `body`, from line 5 on.
ScenarioFile load(std::string_view body) {
  return load_text(std::string(kHead) + std::string(body) + std::string(kModel));
}

std::vector<workload::TraceRequest> all_of(const Scenario& scenario, const std::string& folder) {
  auto stream = open_workload(scenario, folder);
  EXPECT_TRUE(stream) << (stream ? "" : stream.error().message);
  std::vector<workload::TraceRequest> out;
  if (!stream) return out;
  for (workload::TraceRequest r; (*stream)->next(r);) out.push_back(r);
  return out;
}

TEST(ScenarioFile, EveryKeyReachesItsMember) {
  auto file = load(R"(  title: All of it.
  duration: 2h
  seed: 7
  front: proxy
  policies: [hpa, "static:4"]
  workload:
    parts:
      - name: chat
        diurnal: {low: 1, high: 4, peakAt: 15h, weekend: 0.5, day: 20h}
        cv: 2
        from: 1m
        until: 90m
        lengths: {prompt: {p50: 10, p90: 30, max: 50}, output: {p50: 5}}
        prefixes: {share: 0.5, groups: 3, zipf: 0.9, tokens: 64, blockTokens: 32}
        priorities: [{name: batch, share: 0.25}]
        tenants: [{name: acme, share: 0.5}]
        adapters: [{name: sql, share: 0.125}]
        models: [{name: m, share: 1}]
      - onOff: {rate: 9, offRate: 1, on: 2m, off: 3m, sojourn: exponential}
      - flashCrowd: {rate: 2, factor: 5, at: 10m, rise: 1m, hold: 2m, fall: 3m}
      - ramp: {before: 1, after: 2, begin: 3m, end: 4m}
      - step: {before: 1, after: 2, at: 3m}
      - steady: {rate: 0.5}
  faults:
    scrapeDelay: 2s
    scrapeLoss: 0.1
    scrapeOutages: [{from: 1m, until: 2m}]
    actuationDelay: 3s
    actuationFailure: 0.2
    startFailure: 0.3
    stockOuts: [{model: m, variant: h100, from: 4m, until: 5m, replicas: 6}]
    pools: [{accelerator: h100, devices: 8}]
    reclaims: [{variant: h100, at: 7m, count: 2, notice: 30s}]
    spot: [{meanLife: 1h, notice: 10s}]
    slowdowns: [{from: 8m, until: 9m, count: 3, factor: 4}]
)");
  ASSERT_TRUE(file.scenario) << texts(file);
  const Scenario& s = *file.scenario;
  EXPECT_EQ(std::pair(s.name, s.title), std::pair(std::string("s"), std::string("All of it.")));
  EXPECT_EQ(s.duration, seconds(7'200));
  EXPECT_EQ(s.seed, 7);
  EXPECT_EQ(s.front, workload::Front::kProxy);
  EXPECT_THAT(s.policies, testing::ElementsAre("hpa", "static:4"));
  ASSERT_EQ(s.models.size(), 1u);
  workload::Part chat;
  chat.name = "chat";
  chat.shape = workload::Diurnal{
      .low = 1, .high = 4, .peak_at = seconds(54'000), .weekend = 0.5, .day = seconds(72'000)};
  chat.cv = 2;
  chat.from = seconds(60);
  chat.until = seconds(5'400);
  chat.lengths.prompt = workload::TokenSpread{.p50 = 10, .p90 = 30, .max = 50};
  chat.lengths.output = workload::TokenSpread{.p50 = 5, .p90 = std::nullopt, .max = std::nullopt};
  chat.prefixes = {.share = 0.5, .groups = 3, .zipf = 0.9, .tokens = 64, .block_tokens = 32};
  chat.priorities = {{"batch", 0.25}};
  chat.tenants = {{"acme", 0.5}};
  chat.adapters = {{"sql", 0.125}};
  chat.models = {{"m", 1}};
  ASSERT_EQ(s.parts.size(), 6u);
  EXPECT_EQ(s.parts[0], chat);
  EXPECT_EQ(s.parts[1].name, "part-1");
  EXPECT_EQ(s.parts[1].shape, workload::Shape(workload::OnOff{9, 1, seconds(120), seconds(180),
                                                              workload::Sojourn::kExponential}));
  EXPECT_EQ(s.parts[2].shape, workload::Shape(workload::FlashCrowd{2, 5, seconds(600), seconds(60),
                                                                   seconds(120), seconds(180)}));
  EXPECT_EQ(s.parts[3].shape, workload::Shape(workload::Ramp{1, 2, seconds(180), seconds(240)}));
  EXPECT_EQ(s.parts[4].shape, workload::Shape(workload::Step{1, 2, seconds(180)}));
  EXPECT_EQ(s.parts[5].shape, workload::Shape(workload::Steady{0.5}));
  workload::Faults faults;
  faults.scrape_delay = seconds(2);
  faults.scrape_loss = 0.1;
  faults.scrape_outages = {{seconds(60), seconds(120)}};
  faults.actuation_delay = seconds(3);
  faults.actuation_failure = 0.2;
  faults.start_failure = 0.3;
  faults.stock_outs = {{"m", "h100", seconds(240), seconds(300), 6}};
  faults.pools = {{"h100", 8}};
  faults.reclaims = {{"", "h100", seconds(420), 2, seconds(30)}};
  faults.spot = {{"", "", seconds(3'600), seconds(10)}};
  faults.slowdowns = {{"", "", seconds(480), seconds(540), 3, 4}};
  EXPECT_EQ(s.faults, faults);
}

TEST(ScenarioFile, FaultsSayPlaceValueFormAndWhatWasMeant) {
  struct Row {
    const char* label;
    const char* body;
    const char* said;
  };
  const std::string good = "  workload: {parts: [{steady: {rate: 1}}]}\n";
  const Row rows[] = {
      {"no title", "  duration: 1h\n  workload: {parts: [{steady: {rate: 1}}]}\n",
       "s.yaml:5:3: error: spec: \"title\" is missing; expected text"},
      {"no workload", "  title: x\n",
       "s.yaml:5:3: error: spec: \"workload\" is missing; expected a map with trace or parts"},
      {"no duration", "  title: x\n  workload: {parts: [{steady: {rate: 1}}]}\n",
       "s.yaml:5:3: error: spec.duration: made requests need a duration above 0s, such as 1h"},
      {"a key nearly right",
       "  title: x\n  duration: 1h\n  workload: {parts: [{stedy: {rate: 1}}]}\n",
       "s.yaml:7:23: error: spec.workload.parts[0]: unknown key \"stedy\"; did you mean "
       "\"steady\"?"},
      {"a key in the wrong place",
       "  title: x\n  duration: 1h\n  scrapeLoss: 0.1\n  workload: {parts: [{steady: {rate: "
       "1}}]}\n",
       "s.yaml:7:3: error: spec: unknown key \"scrapeLoss\"; it belongs under spec.faults."},
      {"a rate out of range",
       "  title: x\n  duration: 1h\n  workload: {parts: [{steady: {rate: -1}}]}\n",
       "s.yaml:7:38: error: spec.workload.parts[0].steady.rate: -1 is too small; expected a number "
       "from 0 to 100000"},
      {"two shapes in one part",
       "  title: x\n  duration: 1h\n  workload: {parts: [{steady: {rate: 1}, step: {before: 1, "
       "after: 2, at: 1m}}]}\n",
       "only one of steady, onOff, diurnal, step, ramp, flashCrowd may be given, this has steady, "
       "step"},
      {"a part without a shape", "  title: x\n  duration: 1h\n  workload: {parts: [{cv: 2}]}\n",
       "one of steady, onOff, diurnal, step, ramp, flashCrowd is missing"},
      {"a trace and parts",
       "  title: x\n  workload: {trace: {path: a}, parts: [{steady: {rate: 1}}]}\n",
       "s.yaml:6:32: error: spec.workload: only one of trace, parts may be given"},
      {"a policy nobody knows",
       "  title: x\n  duration: 1h\n  policies: [hpa, kpaa]\n  workload: {parts: [{steady: "
       "{rate: 1}}]}\n",
       "s.yaml:7:19: error: spec.policies[1]: policy \"kpaa\" is unknown; did you mean kpa?"},
      {"a class nobody has",
       "  title: x\n  duration: 1h\n  workload:\n    parts:\n      - steady: {rate: 1}\n        "
       "priorities: [{name: low}]\n",
       "s.yaml:10:29: error: spec.workload.parts[0].priorities[0].name: priority class \"low\" is "
       "in none of the models; there is batch, interactive"},
  };
  for (const Row& row : rows) {
    ScenarioFile file = load(row.body);
    EXPECT_FALSE(file.scenario) << row.label;
    EXPECT_TRUE(file.spec.models.empty()) << row.label << ": nothing is half applied";
    EXPECT_THAT(texts(file), HasSubstr(row.said)) << row.label;
    EXPECT_EQ(file.spec.diagnostics.size(), 1u) << row.label << "\n" << texts(file);
  }
}

constexpr std::string_view kSound =
    "  title: x\n  duration: 10m\n  workload: {parts: [{steady: {rate: 1}}]}\n";

TEST(ScenarioFile, NeedsItsModelsBesideIt) {
  ScenarioFile alone = load_text(std::string(kHead) + std::string(kSound));
  EXPECT_FALSE(alone.scenario);
  EXPECT_THAT(texts(alone), StartsWith("s.yaml:1:1: error: there is no model beside the scenario"));

  std::string model(kModel);
  ScenarioFile before =
      load_text(model.substr(4) + "---\n" + std::string(kHead) + std::string(kSound));
  EXPECT_TRUE(before.scenario) << "the model may come first: " << texts(before);

  ScenarioFile twice = load_text(std::string(kHead) + std::string(kSound) + "---\n" +
                                 std::string(kHead) + std::string(kSound) + model);
  EXPECT_FALSE(twice.scenario);
  EXPECT_THAT(texts(twice), StartsWith("s.yaml:9:1: error: a second Scenario"));
}

TEST(ScenarioFile, AFaultOfTheModelIsNotTakenForOneOfTheScenario) {
  std::string model(kModel);
  model.replace(model.find("variants"), 8, "variant");
  ScenarioFile file = load_text(std::string(kHead) +
                                "  title: x\n  duration: 1h\n  workload: {parts: [{steady: {rate: "
                                "1}, adapters: [{name: sql}]}]}\n" +
                                model);
  EXPECT_FALSE(file.scenario);
  EXPECT_THAT(texts(file), HasSubstr("did you mean \"variants\"?"));
  EXPECT_THAT(texts(file), testing::Not(HasSubstr("in none of the models")));
}

TEST(ScenarioFile, ASpecFileIsReadAsEver) {
  Folder folder;
  std::string path = folder.write("s.yaml", std::string(kModel).substr(4));
  ScenarioFile file = load_scenario_file(path);
  EXPECT_FALSE(file.scenario);
  EXPECT_TRUE(file.spec.ok()) << texts(file);
  EXPECT_EQ(file.spec.models.size(), 1u);
  EXPECT_THAT(texts(load_scenario_file(path + ".not")), HasSubstr("no such file"));
}

TEST(ScenarioFile, RunSaysWhatAScenarioIsFor) {
  Folder folder;
  SpecFile file = load_spec_file(
      folder.write("s.yaml", std::string(kHead) + std::string(kSound) + std::string(kModel)));
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(file.diagnostics[0].message, HasSubstr("a Scenario is for tidegate simulate"));
}

TEST(ScenarioFile, ExplainNamesEveryValueAndItsPlace) {
  ScenarioFile file = load(kSound);
  std::map<std::string, Explained> values;
  for (const Explained& e : explain(file)) values[e.path] = e;
  EXPECT_EQ(values["spec.duration"].value, "10m");
  EXPECT_THAT(values["spec.duration"].origin, testing::EndsWith("s.yaml:6"));
  EXPECT_EQ(values["spec.seed"].value, "1");
  EXPECT_EQ(values["spec.seed"].origin, "default");
  EXPECT_EQ(values["spec.workload.parts[0].until"].value, "(the end)");
  EXPECT_FALSE(values.contains("spec.workload.parts[0].ramp"));
}

TEST(OpenWorkload, MadeRequestsAreTheSameEachTime) {
  ScenarioFile file = load(kSound);
  ASSERT_TRUE(file.scenario);
  auto first = all_of(*file.scenario, ""), again = all_of(*file.scenario, "");
  ASSERT_EQ(first.size(), again.size());
  EXPECT_NEAR(static_cast<double>(first.size()), 600, 4 * 24.5);
  for (std::size_t i = 0; i < first.size(); ++i) ASSERT_EQ(first[i].at, again[i].at);
  Scenario other = *file.scenario;
  other.seed = 2;
  EXPECT_NE(all_of(other, "").front().at, first.front().at);
}

TEST(OpenWorkload, ReadsTracesBesideTheFile) {
  Folder folder;
  folder.write("t.csv", "time,prompt_tokens,output_tokens\n0,1,2\n10,3,4\n20,5,6\n30,7,8\n");
  std::string head(kHead), model(kModel);
  auto requests = [&](const std::string& spec) {
    ScenarioFile file =
        load_scenario_file(folder.write("s.yaml", head + "  title: x\n" + spec + model));
    EXPECT_TRUE(file.scenario) << texts(file);
    return file.scenario ? all_of(*file.scenario, file.folder)
                         : std::vector<workload::TraceRequest>{};
  };
  EXPECT_EQ(requests("  workload: {trace: {path: t.csv}}\n").size(), 4u);
  auto part = requests("  workload: {trace: {path: t.csv, from: 10s, until: 30s, speedup: 2}}\n");
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part[1].at, seconds(5));
  EXPECT_EQ(part[1].prompt, Tokens(5));
  EXPECT_EQ(requests("  duration: 10s\n  workload: {trace: {path: t.csv, speedup: 2}}\n").size(),
            2u)
      << "duration is the world's, 20 s of the trace";

  auto made = requests(
      "  duration: 10m\n  workload: {parts: [{steady: {rate: 1}, lengths: {trace: "
      "t.csv}}]}\n");
  ASSERT_FALSE(made.empty());
  for (const auto& r : made) ASSERT_EQ(r.output, r.prompt + Tokens(1)) << "pairs of the trace";
}

TEST(OpenWorkload, KnowsWhatAHashCovers) {
  Scenario s;
  EXPECT_EQ(prefix_block_tokens(s), 16);
  s.parts.resize(2);
  s.parts[1].prefixes = {.block_tokens = 64};
  EXPECT_EQ(prefix_block_tokens(s), 64);
  s.trace.emplace();
  EXPECT_EQ(prefix_block_tokens(s), 512);
}

TEST(OpenWorkload, SaysWhatCannotBeRead) {
  Folder folder;
  std::string rates = folder.write("rates.csv", "time,rate\n0,1\n60,1\n");
  Scenario traced;
  traced.trace = workload::TraceSource{.path = "gone.csv"};
  EXPECT_THAT(open_workload(traced, "/nowhere").error().message,
              HasSubstr("cannot read trace /nowhere/gone.csv"));
  Scenario made;
  made.duration = seconds(60);
  made.parts.resize(1);
  made.parts[0].name = "p";
  made.parts[0].lengths.trace = rates;
  EXPECT_THAT(open_workload(made, "").error().message,
              HasSubstr("part p: trace " + rates + " is a rate series"));
}

// What ships in scenarios/.

const std::filesystem::path kRoot = TIDEGATE_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ShippedScenarios, AreSoundSmallAndInTheDocs) {
  std::string docs = read(kRoot / "docs/scenarios.md");
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "scenarios")) {
    if (entry.path().extension() != ".yaml") continue;
    ++found;
    ScenarioFile file = load_scenario_file(entry.path().string());
    ASSERT_TRUE(file.scenario) << texts(file);
    const Scenario& s = *file.scenario;
    EXPECT_EQ(s.name, entry.path().stem().string());
    EXPECT_TRUE(s.title.ends_with('.')) << s.name << ": a title is a sentence";
    EXPECT_THAT(docs, HasSubstr("`" + s.name + "` | " + s.title)) << "docs/scenarios.md";
    auto requests = all_of(s, file.folder);
    EXPECT_GE(requests.size(), 100u) << s.name;
    EXPECT_LE(requests.size() * std::max<std::size_t>(1, s.policies.size()), 300'000u) << s.name;
  }
  EXPECT_GE(found, 20);
}

TEST(ShippedScenarios, DocsHaveTheKeysOfTheTable) {
  EXPECT_THAT(read(kRoot / "docs/scenarios.md"), testing::EndsWith(scenario_markdown()))
      << "docs/scenarios.md is stale from `## spec` on; see tidegate schema --scenario-docs";
}

}  // namespace
}  // namespace tidegate::format
