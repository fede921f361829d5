#include "exchange/yaml.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/spec_tree.h"

namespace tidegate::exchange {
namespace {

TEST(Yaml, TextReadsBackAsTheSameText) {
  const std::vector<std::pair<const char*, std::string>> kRows = {
      {"a word", "tidegate"},
      {"words that are booleans in YAML 1.1", "on"},
      {"a number as text", "0.8"},
      {"nothing", ""},
      {"a query with quotes", "sum(a{b=\"c\"}) or d == 0"},
      {"both kinds of quotes", "it's \"so\""},
      {"a colon and a hash", "a: b # c"},
      {"two lines", "one\ntwo"},
      {"two lines and an end", "one\ntwo\n"},
      {"lines that begin with a blank", "  one\ntwo"},
      {"lines that end with empty ones", "one\n\n"},
      {"a control character", std::string("a\x01") + "b"},
      {"a backslash", "a\\d+"},
      {"a tilde", "~"},
      {"a leading star", "*x"},
  };
  for (const auto& [label, text] : kRows) {
    Yaml root = Yaml::map({{"list", Yaml::list({Yaml::map({{"key", text}}), text})}});
    auto documents = format::parse_documents(to_yaml(root));
    ASSERT_EQ(documents.size(), 1u) << label;
    ASSERT_TRUE(documents[0].errors.empty()) << label << "\n" << to_yaml(root);
    const format::Node* list = documents[0].root.find("list");
    ASSERT_NE(list, nullptr) << label;
    EXPECT_EQ(list->items[0].find("key")->text, text) << label;
    EXPECT_EQ(list->items[1].text, text) << label;
    bool is_text = list->items[1].quoted || text == "tidegate";
    EXPECT_TRUE(is_text) << label;
  }
}

TEST(Yaml, IsWrittenInBlocksWithCommentsAboveKeys) {
  Yaml root = Yaml::map({{"a", 1}, {"empty", Yaml::map()}, {"none", Yaml::list()}});
  Yaml& items = root.put("items", Yaml::list());
  items.add(Yaml::map({{"x", true}, {"z", 0.5}})).say("an item");
  items.add("plain");
  root.put("last", "z").say("two\nlines");
  EXPECT_EQ(to_yaml(root),
            "a: 1\nempty: {}\nnone: []\nitems:\n  # an item\n  - x: true\n    z: 0.5\n  - plain\n"
            "# two\n# lines\nlast: z\n");
}

TEST(Yaml, NothingGetsOutOfAComment) {
  EXPECT_EQ(comment_lines("a\rkind: Secret\n\nb\x1b[m"), "# a?kind: Secret\n#\n# b?[m\n");
}

TEST(Yaml, TheSameTreeIsJson) {
  Yaml root = Yaml::map({{"a", "x\n\"y\""}, {"b", Yaml::list({1, Yaml::map()})}});
  EXPECT_EQ(to_json(root), "{\n  \"a\": \"x\\n\\\"y\\\"\",\n  \"b\": [\n    1,\n    {}\n  ]\n}\n");
}

}  // namespace
}  // namespace tidegate::exchange
