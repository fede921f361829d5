#include "format/spec_value.h"

#include <gtest/gtest.h>

#include "core/spec/expected_start.h"
#include "core/spec/full_model_for_test.h"
#include "core/spec/validate.h"
#include "format/spec_reader.h"
#include "format/spec_yaml.h"
#include "format/yaml_of_for_test.h"

namespace tidegate::format {
namespace {

using spec::Kind;
using spec::Option;
using spec::Section;
using spec::Value;

TEST(Value, AModelWithNoDefaultReadsBackFromItsText) {
  const spec::Model from = spec::full_model();
  std::string text = yaml_of(spec::model_section(), &from);
  auto documents = parse_documents(text);
  ASSERT_TRUE(documents[0].errors.empty()) << documents[0].errors[0].message << "\n" << text;
  Reader reader(nullptr);
  spec::Model to;
  reader.read(documents[0].root, spec::model_section(), &to, "spec");
  for (const Fault& fault : reader.faults()) ADD_FAILURE() << fault.message;
  to.name = from.name;
  to.scaling.schedule.at(0).fields = from.scaling.schedule[0].fields;
  EXPECT_EQ(to, from) << text;
}

TEST(Value, EveryDefaultReadsBackFromItsText) {
  int rows = 0;
  spec::for_each_option(
      spec::model_section(), "spec",
      [&](std::string_view path, const Section& section, const Option& row) {
        Value value = spec::default_value(section, row);
        std::string text = value_text(row, value);
        if (text.empty() || row.kind == Kind::kStringList || row.kind == Kind::kStringMap) return;
        auto documents = parse_documents(text);
        auto back = parse_scalar(row, documents[0].root);
        ASSERT_TRUE(back.has_value()) << path << ": " << back.error().message;
        EXPECT_EQ(*back, value) << path << ": " << text;
        ++rows;
      });
  EXPECT_GT(rows, 40);
}

TEST(Value, EveryExampleOfTheTableIsAccepted) {
  int rows = 0;
  spec::for_each_option(
      spec::model_section(), "spec",
      [&](std::string_view path, const Section& section, const Option& row) {
        if (row.example.empty()) return;
        Option deaf = row;  // reads and checks, but stores nowhere
        deaf.bind.set = [](void*, const Value&) {};
        const Section only{.name = section.name,
                           .doc = section.doc,
                           .options = std::span(&deaf, 1),
                           .defaults = section.defaults};
        auto documents = parse_documents(std::string(row.key) + ": " + std::string(row.example));
        Reader reader(nullptr);
        reader.read(documents[0].root, only, nullptr, "x");
        for (const Fault& fault : reader.faults()) ADD_FAILURE() << path << ": " << fault.message;
        ++rows;
      });
  EXPECT_GT(rows, 30);
}

TEST(Value, PercentilesAreTheNumbersAsWritten) {
  const std::pair<const char*, double> rows[] = {
      {"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"p5", 0.05}, {"p99.99", 0.9999}};
  const Option row{.kind = Kind::kPercentile};
  for (auto& [text, share] : rows) {
    EXPECT_EQ(parse_percentile(text).value(), share) << text;
    EXPECT_EQ(value_text(row, spec::LatencyBound{share, seconds(2)}),
              "{" + std::string(text) + ": 2s}");
  }
  for (const char* text : {"99", "p", "p0", "p100", "p99.", "p9.99999", "q99", "p-1", "p1e1", ""}) {
    EXPECT_FALSE(parse_percentile(text).has_value()) << text;
  }
}

TEST(Value, PoliciesTakeAKnob) {
  EXPECT_EQ(parse_policy("keda:5").value(), (spec::PolicyChoice{spec::PolicyKind::kKeda, 5}));
  EXPECT_EQ(parse_policy("oracle:0.99").value(),
            (spec::PolicyChoice{spec::PolicyKind::kOracle, 0.99}));
  EXPECT_EQ(parse_policy("tide").value(),
            (spec::PolicyChoice{spec::PolicyKind::kTide, std::nullopt}));
  EXPECT_EQ(parse_policy("kuda").error().message, "policy \"kuda\" is unknown; did you mean keda?");
  EXPECT_EQ(parse_policy("static:x").error().message, "the knob of \"static:x\" is not a number");
  EXPECT_EQ(parse_policy("static:1.5").error().message,
            "\"static:1.5\" needs a knob from 0 to 10000, a whole number of replicas");
}

TEST(Suggest, FindsWhatWasMeantAndNothingElse) {
  const std::vector<std::string_view> keys{"minReplicas", "maxReplicas", "window",
                                           "mode",        "engine",      "engineCached"};
  const std::pair<const char*, const char*> rows[] = {{"max_replicas", "maxReplicas"},
                                                      {"MinReplicas", "minReplicas"},
                                                      {"minReplica", "minReplicas"},
                                                      {"widnow", "window"},
                                                      {"mod", "mode"},
                                                      {"engineCache", "engineCached"},
                                                      {"foo", ""},
                                                      {"x", ""},
                                                      {"", ""},
                                                      {"completelyDifferent", ""}};
  for (auto& [seen, meant] : rows) EXPECT_EQ(suggest(seen, keys), meant) << seen;
}

TEST(ColdStart, SourcesHaveTheBandwidthOfTheEngineModel) {
  for (auto source :
       {spec::WeightSource::kHub, spec::WeightSource::kObjectStore, spec::WeightSource::kDatacentre,
        spec::WeightSource::kNvme, spec::WeightSource::kRam}) {
    spec::ColdStart cold;
    cold.weights = {spec::default_bandwidth(source) * 7, source, std::nullopt, std::nullopt};
    EXPECT_EQ(spec::cold_start_p90(cold), seconds(7)) << token(source);
  }
}

}  // namespace
}  // namespace tidegate::format
