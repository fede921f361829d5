#pragma once
// Tree: one YAML document as plain nodes with positions, free of yaml-cpp.
//
// Anchors, aliases and merge keys (<<) are resolved; every limit and every fault of syntax is a
// TreeError with its place. Each document is parsed on its own, so a fault in one leaves the others
// readable. Never throws. Thread-safety: values. Source: YAML 1.2; merge keys as in YAML 1.1's type
// repository.
//
//   for (const Document& d : parse_documents(text)) if (!d.error) use(d.root);

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::format {

inline constexpr std::size_t kMaxSpecBytes = 16u << 20;  ///< of one file
inline constexpr std::size_t kMaxDocuments = 10'000;
inline constexpr std::size_t kMaxNodes = 100'000;  ///< of one document, aliases counted each time
inline constexpr std::size_t kMaxKeys = 1'000;     ///< of one map
inline constexpr int kMaxDepth = 32;

struct Position {
  int line = 0, column = 0;  ///< from 1, columns in bytes; 0: unknown
  bool operator==(const Position&) const = default;
};

enum class NodeKind : std::uint8_t { kNull, kScalar, kList, kMap };

struct Node {
  NodeKind kind = NodeKind::kNull;
  std::string text;     ///< kScalar
  bool quoted = false;  ///< kScalar: in quotes or a block, so text whatever it looks like
  Position at;
  std::vector<Node> items;                             ///< kList; kMap: the values
  std::vector<std::pair<std::string, Position>> keys;  ///< kMap, beside `items`

  const Node* find(std::string_view key) const;
};

struct TreeError {
  Position at;
  std::string message;
};

struct Document {
  Node root;
  std::string text;  ///< as written, without the --- line
  int first_line = 1;
  std::vector<TreeError> errors;
};

std::vector<Document> parse_documents(std::string_view text);

/// "a map", "a list", "the text "x"", ..: for messages.
std::string describe(const Node& node);

}  // namespace tidegate::format
