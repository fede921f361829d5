#include "format/spec_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidegate::format {
namespace {

using testing::HasSubstr;

Node root_of(std::string_view text) {
  auto documents = parse_documents(text);
  EXPECT_EQ(documents.size(), 1u);
  EXPECT_TRUE(documents[0].errors.empty()) << documents[0].errors[0].message;
  return documents[0].root;
}

std::string error_of(std::string_view text) {
  for (const Document& d : parse_documents(text)) {
    if (!d.errors.empty()) {
      return std::to_string(d.errors[0].at.line) + ":" + std::to_string(d.errors[0].at.column) +
             " " + d.errors[0].message;
    }
  }
  return "";
}

TEST(Tree, KeepsPlacesAndQuotes) {
  Node root = root_of("a: 1\nb:\n  - \"2\"\n  - {c: x}\nd:\ne: |\n  3\n");
  EXPECT_EQ(root.find("a")->at, (Position{1, 4}));
  EXPECT_FALSE(root.find("a")->quoted);
  EXPECT_TRUE(root.find("b")->items[0].quoted);
  EXPECT_EQ(root.find("b")->items[0].at, (Position{3, 5}));
  EXPECT_EQ(root.find("b")->items[1].find("c")->at, (Position{4, 9}));
  EXPECT_EQ(root.find("d")->kind, NodeKind::kNull);
  EXPECT_TRUE(root.find("e")->quoted) << "a block is text whatever it looks like";
}

TEST(Tree, DocumentsAreCutAndNumberedThroughTheFile) {
  auto documents = parse_documents("# one\na: 1\n---\nb: 2\n--- {c: 3}\n...\n---\nd: [\n");
  ASSERT_EQ(documents.size(), 5u);
  EXPECT_EQ(documents[0].text, "# one\na: 1\n");
  EXPECT_EQ(documents[1].root.find("b")->at, (Position{4, 4}));
  EXPECT_EQ(documents[2].root.find("c")->at, (Position{5, 9}));
  EXPECT_EQ(documents[3].root.kind, NodeKind::kNull);
  ASSERT_EQ(documents[4].errors.size(), 1u) << "a fault in one leaves the others readable";
  EXPECT_EQ(documents[4].errors[0].at.line, 8);
}

TEST(Tree, WindowsLineEndsAndAByteOrderMarkAreNoFaults) {
  Node root = root_of(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: x\r\n");
  EXPECT_EQ(root.find("a")->text, "1");
  EXPECT_EQ(root.find("b")->text, "x");
}

TEST(Tree, QuotesWithinQuotesClose) {
  for (const char* text :
       {"a: \"\\\"\"", "a: 'it''s'", "a: |\n  \"\n", "a: !!str x", "a: \"\xC3\xA9\"\n# \"\n"}) {
    EXPECT_EQ(error_of(text), "") << text;
  }
}

TEST(Tree, AliasesAndMergeKeysAreResolved) {
  Node root = root_of(
      "base: &b {x: 1, y: 2}\none: *b\ntwo: {<<: *b, y: 3}\nthree: {<<: [{z: 4}, *b], x: 5}\n");
  EXPECT_EQ(root.find("one")->find("y")->text, "2");
  EXPECT_EQ(root.find("two")->find("x")->text, "1");
  EXPECT_EQ(root.find("two")->find("y")->text, "3") << "a key of its own wins";
  EXPECT_EQ(root.find("three")->find("z")->text, "4");
  EXPECT_EQ(root.find("three")->find("x")->text, "5");
}

TEST(Tree, FaultsSayWhereAndWhat) {
  const std::pair<const char*, const char*> rows[] = {
      {"x: 1\na: [1, 2\nb: 3\n", "2:4 this list has no closing ]"},
      {"a: {b: 1\n", "1:4 this map has no closing }"},
      {"a:\n\tb: 1\n", "2:3 a tab in the indentation; use spaces"},
      {"a: 1\n  b: 2\n", "a value cannot have a ': ' of its own here"},
      {"a: 1\na: 2\n", "2:1 the key \"a\" is there already, at line 1"},
      {"a: *nowhere\n", "broken YAML: the referenced anchor is not defined"},
      {"a: &x [*x]\n", "1:8 this alias refers to what it is part of"},
      {"? [a, b]\n: 1\n", "a key must be text, this is a list"},
      {"a: {<<: 3}\n", "<< merges a map or a list of maps, this is \"3\""},
      {"x: \"y\"\na: \"unended\nb: 3\n", "2:4 this text has no closing \""},
      {"\xC3\xA9: 'it''s", "1:5 this text has no closing '"},
  };
  for (auto& [text, message] : rows) EXPECT_THAT(error_of(text), HasSubstr(message)) << text;
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(Tree, EveryLimitHoldsAtItAndOnePast) {
  EXPECT_EQ(error_of(nested(kMaxDepth)), "");
  EXPECT_THAT(error_of(nested(kMaxDepth + 1)), HasSubstr("nested deeper than 32 levels"));

  std::string keys = "{";
  for (std::size_t i = 0; i < kMaxKeys; ++i) keys += "k" + std::to_string(i) + ": 1, ";
  EXPECT_EQ(error_of(keys + "}"), "");
  EXPECT_THAT(error_of(keys + "more: 1}"), HasSubstr("more than 1000 keys in one map"));

  std::string list = "[";
  for (std::size_t i = 0; i + 2 < kMaxNodes; ++i) list += "1,";  // and the list itself
  EXPECT_EQ(error_of(list + "1]"), "");
  EXPECT_THAT(error_of(list + "1,1]"), HasSubstr("more than 100000 values in one document"));

  EXPECT_THAT(error_of(std::string(kMaxSpecBytes + 1, '#')), HasSubstr("more than 16777216"));
}

TEST(Tree, AliasesOfAliasesCannotBlowUp) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1), name = "a" + std::to_string(i);
    bomb += name + ": &" + name + " [";
    for (int k = 0; k < 10; ++k) bomb += before + ", ";
    bomb += "]\n";
  }
  EXPECT_THAT(error_of(bomb), HasSubstr("more than 100000 values in one document"));
}

}  // namespace
}  // namespace tidegate::format
