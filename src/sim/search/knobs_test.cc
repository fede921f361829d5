// Knobs: what is tried is accepted by the spec, and what is printed can be pasted into one.
#include "sim/search/knobs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "format/spec_yaml.h"
#include "sim/search/asked.h"

namespace tidegate::sim {
namespace {

constexpr const char* kDocument = R"(apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m}}
spec:
  slo: {{ttft: {{p99: 2s}}}}
{}  variants:
    - name: dear
      costPerHour: 9
      maxReplicas: 4
      engine: {{maxNumSeqs: 32}}
      target: {{process: {{command: [a]}}}}
    - name: cheap
      costPerHour: 1
      minReplicas: 1
      maxReplicas: 40
      engine: {{maxNumSeqs: 32}}
      target: {{process: {{command: [a]}}}}
)";

/// Under `spec:` of the document.
std::string indented(const std::string& yaml) {
  std::string out = "  ";
  for (char c : yaml) {
    out += c;
    if (c == '\n') out += "  ";
  }
  out.resize(out.size() - 2);
  return out;
}

spec::Model model_of(const std::string& scaling) {
  auto file = format::load_spec(fmt::format(kDocument, indented(scaling)), "m.yaml");
  EXPECT_TRUE(file.ok()) << (file.diagnostics.empty() ? "" : file.diagnostics[0].text());
  return under_policy(file.models.at(0).model, {file.models.at(0).model.scaling.policy,
                                                file.models.at(0).model.scaling.policy_knob});
}

const std::vector<std::string> kScalings = {
    "scaling: {policy: static}\n",
    "scaling: {policy: \"static:3\"}\n",
    "scaling: {policy: concurrency, window: 75s}\n",
    "scaling: {policy: \"concurrency:10\", scaleDownDelay: 7m}\n",
    "scaling: {policy: hpa}\n",
    "scaling: {policy: hpa, behavior: {scaleDown: {stabilizationWindowSeconds: 240}}}\n",
    "scaling: {policy: hpa, metrics: [{signal: waiting, target: 5}, {signal: kvUsage, type: "
    "Utilization, target: 0.8}]}\n",
    "scaling: {policy: keda}\n",
    "scaling: {policy: \"keda:7\"}\n",
    "scaling: {policy: kpa}\n",
    "scaling: {policy: targettracking}\n",
    "scaling: {policy: saturation}\n",
    "scaling: {policy: \"planner:0.77\"}\n",
};

TEST(Knobs, UntunedIsTheModelItself) {
  for (const std::string& scaling : kScalings) {
    spec::Model model = model_of(scaling);
    auto knobs = knobs_of(model);
    EXPECT_EQ(with(model, knobs, untuned(knobs)), model) << scaling;
  }
}

TEST(Knobs, EachHasAscendingValuesWithTheOneInForceAmongThem) {
  for (const std::string& scaling : kScalings) {
    for (const Knob& knob : knobs_of(model_of(scaling))) {
      EXPECT_TRUE(std::is_sorted(knob.values.begin(), knob.values.end(), std::less_equal<>()))
          << scaling << knob.name;
      ASSERT_LT(knob.untuned, knob.values.size());
      EXPECT_GE(knob.values.front(), 0);
      EXPECT_LE(knob.values.size(), 64U) << "a list of its own for each replica would never end";
    }
  }
  auto knobs = knobs_of(model_of("scaling: {policy: concurrency, window: 75s}\n"));
  ASSERT_EQ(knobs.size(), 4U);
  EXPECT_EQ(knobs[0].values.back(), 32);
  EXPECT_EQ(knobs[1].values[knobs[1].untuned], 75);
  EXPECT_EQ(knobs[3].name, "minReplicas");
  EXPECT_EQ(knobs[3].values.front(), 1);
}

/// Every value of every knob, the others as they are, and all of them at both ends.
std::vector<Point> points_of(const std::vector<Knob>& knobs) {
  std::vector<Point> out;
  Point first(knobs.size(), 0), last;
  for (const Knob& knob : knobs) last.push_back(knob.values.size() - 1);
  out = {first, last};
  for (std::size_t k = 0; k < knobs.size(); ++k) {
    for (std::size_t i = 0; i < knobs[k].values.size(); ++i) {
      Point point = untuned(knobs);
      point[k] = i;
      out.push_back(point);
    }
  }
  return out;
}

/// The document with the fragment instead of its scaling, and minReplicas where it says.
spec::Model pasted(const std::string& yaml) {
  std::size_t at = yaml.find("variants:\n");
  std::string document = fmt::format(kDocument, indented(yaml.substr(0, at)));
  if (at != std::string::npos) {
    std::string floor = yaml.substr(yaml.find("minReplicas: "));
    document.replace(document.find("minReplicas: 1\n"), 15, floor);
  }
  auto file = format::load_spec(document, "pasted.yaml");
  EXPECT_TRUE(file.ok()) << (file.diagnostics.empty() ? "" : file.diagnostics[0].text())
                         << document;
  const spec::Scaling& scaling = file.models.at(0).model.scaling;
  return under_policy(file.models.at(0).model, {scaling.policy, scaling.policy_knob});
}

TEST(Knobs, TheYamlOfAPointLoadsAsTheModelThatWasPlayed) {
  for (const std::string& scaling : kScalings) {
    spec::Model model = model_of(scaling);
    auto knobs = knobs_of(model);
    for (const Point& point : points_of(knobs)) {
      EXPECT_EQ(pasted(yaml(model, knobs, point)), with(model, knobs, point))
          << yaml(model, knobs, point);
    }
  }
}

TEST(Knobs, PointsThatDifferHaveTextsThatDiffer) {
  for (const std::string& scaling : kScalings) {
    spec::Model model = model_of(scaling);
    auto knobs = knobs_of(model);
    std::vector<Point> points = points_of(knobs);
    std::sort(points.begin(), points.end());
    points.erase(std::unique(points.begin(), points.end()), points.end());
    std::vector<std::string> texts;
    for (const Point& point : points) texts.push_back(text(model, knobs, point));
    std::sort(texts.begin(), texts.end());
    EXPECT_EQ(std::adjacent_find(texts.begin(), texts.end()), texts.end()) << scaling;
  }
}

TEST(Knobs, TheFloorIsThatOfTheCheapestVariant) {
  spec::Model model = model_of("scaling: {policy: keda}\n");
  auto knobs = knobs_of(model);
  Point point = untuned(knobs);
  point.back() = 2;
  spec::Model tuned = with(model, knobs, point);
  EXPECT_EQ(tuned.variants[0], model.variants[0]);
  EXPECT_EQ(tuned.variants[1].min_replicas->value(), 3);
}

}  // namespace
}  // namespace tidegate::sim
