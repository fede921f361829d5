#include "live/external_metrics/samples.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "live/external_metrics/request.h"

namespace tidegate::live::external_metrics {
namespace {

TEST(Samples, QuantitiesAreWholeOrInThousandths) {
  struct Case {
    double value;
    const char* text;  // nullptr: none
  };
  const Case cases[] = {
      {0, "0"},
      {4, "4"},
      {12.5, "12500m"},
      {0.0004, "0"},
      {0.0006, "1m"},
      {1e15, "1000000000000000"},
      {1.1e15, nullptr},
      {-1, nullptr},
      {std::nan(""), nullptr},
      {0.25, "250m"},
      {INFINITY, nullptr},
  };
  for (const Case& c : cases) {
    auto text = quantity(c.value);
    ASSERT_EQ(text.has_value(), c.text != nullptr) << c.value;
    EXPECT_EQ(text.value_or(""), c.text == nullptr ? "" : c.text);
  }
}

TEST(Samples, NamesBecomeWhatASelectorMayHold) {
  struct Case {
    const char* label;
    std::string text, value;
  };
  const Case cases[] = {
      {"as it is", "m-8b", "m-8b"},
      {"a path", "meta-llama/Llama-3.1-8B", "meta-llama_Llama-3.1-8B"},
      {"ends that are no letters", "--a.b--", "a.b"},
      {"a long one", std::string(70, 'a'), std::string(63, 'a')},
      {"a long one that would end badly", std::string(62, 'a') + "//b", std::string(62, 'a')},
      {"nothing that could stay", "///", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(label_value(c.text), c.value) << c.label;
}

TEST(Request, IsAResourceOrAPathAsTheApiServerSeesIt) {
  struct Case {
    const char* label;
    std::string method, path;
    std::string verb, ns, resource, name;
  };
  const std::string base = "/apis/external.metrics.k8s.io/v1beta1";
  const Case cases[] = {
      {"values of a metric", "GET", base + "/namespaces/serve/m", "list", "serve", "m", ""},
      {"a name beneath", "GET", base + "/namespaces/serve/m/x", "get", "serve", "m", "x"},
      {"deeper", "GET", base + "/namespaces/serve/m/x/y", "get", "serve", "m", "x/y"},
      {"of the whole cluster", "GET", base + "/m", "list", "", "m", ""},
      {"a namespace itself", "GET", base + "/namespaces/serve", "get", "", "namespaces", "serve"},
      {"escaped", "GET", base + "/namespaces/a%2Db/m%41", "list", "a-b", "mA", ""},
      {"a broken escape stays", "GET", base + "/namespaces/a%2/m%4", "list", "a%2", "m%4", ""},
      {"HEAD reads", "HEAD", base + "/namespaces/serve/m", "list", "serve", "m", ""},
      {"writing", "POST", base + "/namespaces/serve/m", "create", "serve", "m", ""},
      {"removing", "DELETE", base + "/namespaces/serve/m/x", "delete", "serve", "m", "x"},
      {"the version", "GET", base, "get", "", "", ""},
      {"the version, with a slash", "GET", base + "/", "get", "", "", ""},
      {"another group", "GET", "/apis/custom.metrics.k8s.io/v1beta1/m", "get", "", "", ""},
      {"a path", "HEAD", "/apis", "head", "", "", ""},
  };
  for (const Case& c : cases) {
    net::Request request;
    request.method = c.method;
    request.path = c.path;
    Asked asked = asked_by(request);
    EXPECT_EQ(asked.verb, c.verb) << c.label;
    EXPECT_EQ(asked.ns, c.ns) << c.label;
    EXPECT_EQ(asked.resource, c.resource) << c.label;
    EXPECT_EQ(asked.name, c.name) << c.label;
    EXPECT_EQ(asked.path, c.path) << c.label;
  }
}

}  // namespace
}  // namespace tidegate::live::external_metrics
