#include "format/spec_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace tidegate::format {
namespace {

/// Leaves yaml-cpp's parser from inside an event; never leaves this file.
struct Stop : std::runtime_error {
  Stop(Position where, const std::string& what) : std::runtime_error(what), at(where) {}
  Position at;
};

std::size_t count_nodes(const Node& node) {
  std::size_t n = 1;
  for (const Node& item : node.items) n += count_nodes(item);
  return n;
}

int depth_of(const Node& node) {
  int deepest = 0;
  for (const Node& item : node.items) deepest = std::max(deepest, depth_of(item));
  return deepest + 1;
}

/// Builds Nodes from yaml-cpp's events.
class Builder : public YAML::EventHandler {
 public:
  Builder(int first_line, std::vector<TreeError>& errors)
      : first_line_(first_line), errors_(errors) {}

  Node take() { return std::move(root_); }
  /// Where the innermost list or map that is still open began.
  std::optional<Position> open_since(NodeKind kind) const {
    for (auto frame = open_.rbegin(); frame != open_.rend(); ++frame) {
      if (frame->node.kind == kind) return frame->node.at;
    }
    return std::nullopt;
  }
  Position last_quoted() const { return last_quoted_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.at = position(mark);
    add(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto known = anchors_.find(anchor);
    if (known == anchors_.end())
      throw Stop(position(mark), "this alias refers to what it is part of");
    nodes_ += count_nodes(known->second) - 1;
    if (depth_of(known->second) + static_cast<int>(open_.size()) > kMaxDepth)
      too_deep(position(mark));
    add(known->second, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.at = position(mark);
    node.kind = NodeKind::kScalar;
    node.text = value;
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (node.quoted) last_quoted_ = node.at;
    if (!node.quoted && (value == "null" || value == "~" || value == "Null" || value == "NULL")) {
      node.kind = NodeKind::kNull;
    }
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(NodeKind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(NodeKind::kMap, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool key_next = true;      // kMap: the next node is a key
    std::vector<Node> merges;  // values of <<
  };

  Position position(const YAML::Mark& mark) const {
    return mark.line < 0 ? Position{} : Position{mark.line + first_line_, mark.column + 1};
  }
  [[noreturn]] static void too_deep(Position at) {
    throw Stop(at, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
  }

  void open(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (static_cast<int>(open_.size()) >= kMaxDepth) too_deep(position(mark));
    Open frame;
    frame.node.kind = kind;
    frame.node.at = position(mark);
    frame.anchor = anchor;
    open_.push_back(std::move(frame));
  }

  void close() {
    Open frame = std::move(open_.back());
    open_.pop_back();
    for (const Node& merge : frame.merges) merge_into(frame.node, merge);
    add(std::move(frame.node), frame.anchor);
  }

  /// Keys already there win over merged ones.
  void merge_into(Node& map, const Node& merge) {
    for (std::size_t i = 0; i < merge.keys.size(); ++i) {
      if (map.find(merge.keys[i].first) != nullptr) continue;
      map.keys.push_back(merge.keys[i]);
      map.items.push_back(merge.items[i]);
    }
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes) {
      throw Stop(node.at, "more than " + std::to_string(kMaxNodes) + " values in one document");
    }
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == NodeKind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.key_next) {
      add_key(parent, node);
    } else {
      add_value(parent, std::move(node));
    }
  }

  void add_key(Open& parent, const Node& key) {
    if (key.kind != NodeKind::kScalar) {
      throw Stop(key.at, "a key must be text, this is " + describe(key));
    }
    if (parent.node.keys.size() >= kMaxKeys) {
      throw Stop(key.at, "more than " + std::to_string(kMaxKeys) + " keys in one map");
    }
    parent.node.keys.emplace_back(key.text, key.at);
    parent.key_next = false;
  }

  void add_value(Open& parent, Node node) {
    parent.key_next = true;
    auto [key, at] = parent.node.keys.back();
    if (node.kind == NodeKind::kNull && node.text.empty())
      node.at = at;  // yaml-cpp marks what follows
    if (key == "<<") {
      parent.node.keys.pop_back();
      add_merge(parent, std::move(node), at);
      return;
    }
    for (std::size_t i = 0; i + 1 < parent.node.keys.size(); ++i) {
      if (parent.node.keys[i].first != key) continue;
      errors_.push_back({at, "the key \"" + key + "\" is there already, at line " +
                                 std::to_string(parent.node.keys[i].second.line)});
      parent.node.keys.pop_back();
      return;
    }
    parent.node.items.push_back(std::move(node));
  }

  void add_merge(Open& parent, Node node, Position at) {
    if (node.kind == NodeKind::kMap) {
      parent.merges.push_back(std::move(node));
      return;
    }
    bool maps = node.kind == NodeKind::kList;
    for (const Node& item : node.items) maps = maps && item.kind == NodeKind::kMap;
    if (!maps) throw Stop(at, "<< merges a map or a list of maps, this is " + describe(node));
    for (Node& item : node.items) parent.merges.push_back(std::move(item));
  }

  int first_line_;
  std::vector<TreeError>& errors_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t nodes_ = 0;
  Position last_quoted_;
  Node root_;
};

/// The parser's own words, where ours are clearer.
std::string syntax_message(const std::string& message) {
  if (message == YAML::ErrorMsg::END_OF_SEQ_FLOW) return "this list has no closing ]";
  if (message == YAML::ErrorMsg::END_OF_MAP_FLOW) return "this map has no closing }";
  if (message == YAML::ErrorMsg::END_OF_SEQ || message == YAML::ErrorMsg::END_OF_MAP) {
    return "the indentation does not fit what stands above; keys of one map begin in one column";
  }
  if (message == YAML::ErrorMsg::TAB_IN_INDENTATION) return "a tab in the indentation; use spaces";
  if (message == YAML::ErrorMsg::MAP_VALUE) {
    return "a value cannot have a ': ' of its own here; put it in quotes, or indent what follows";
  }
  return "broken YAML: " + message;
}

std::string_view line_of(const Document& document, int line) {
  std::string_view rest = document.text;
  for (int at = document.first_line; at < line && !rest.empty(); ++at) {
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  }
  return rest;
}

/// yaml-cpp takes the end of the text for a closing quote; only the last quoted scalar can lack its
/// own.
void check_last_quote(const Builder& builder, Document& document) {
  Position at = builder.last_quoted();
  if (at.line == 0) return;
  std::string_view rest = line_of(document, at.line);
  rest.remove_prefix(
      std::min(rest.size(), static_cast<std::size_t>(at.column - 1)));  // counts bytes
  if (rest.empty() || (rest[0] != '"' && rest[0] != '\'')) return;  // a block, or tagged as text
  char quote = rest[0];
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\' && quote == '"')
      ++i;
    else if (rest[i] == quote && quote == '\'' && i + 1 < rest.size() && rest[i + 1] == quote)
      ++i;
    else if (rest[i] == quote)
      return;
  }
  document.errors.push_back({at, "this text has no closing " + std::string(1, quote)});
}

TreeError syntax_error(const YAML::Exception& e, const Builder& builder, const Document& document) {
  if (e.mark.line < 0) return {{document.first_line, 1}, syntax_message(e.msg)};
  Position at{e.mark.line + document.first_line, e.mark.column + 1};
  if (e.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW)
    at = builder.open_since(NodeKind::kList).value_or(at);
  if (e.msg == YAML::ErrorMsg::END_OF_MAP_FLOW)
    at = builder.open_since(NodeKind::kMap).value_or(at);
  std::string_view line = line_of(document, at.line);
  std::string_view indent = line.substr(0, line.find_first_not_of(" \t"));
  bool tab = indent.find('\t') != std::string_view::npos;
  return {at, syntax_message(tab ? std::string(YAML::ErrorMsg::TAB_IN_INDENTATION) : e.msg)};
}

void parse(Document& document) {
  Builder builder(document.first_line, document.errors);
  try {
    std::istringstream stream(document.text);
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) document.root = builder.take();
    check_last_quote(builder, document);
  } catch (const Stop& stop) {
    document.errors.push_back({stop.at, stop.what()});
  } catch (const YAML::Exception& e) {
    document.errors.push_back(syntax_error(e, builder, document));
  } catch (const std::exception& e) {
    document.errors.push_back({{document.first_line, 1}, std::string("broken YAML: ") + e.what()});
  }
}

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || line[marker.size()] == ' ' ||
                                      line[marker.size()] == '\t');
}

/// Cuts at the lines "---" and "...", which YAML allows nowhere else in the first column.
std::vector<Document> split(std::string_view text) {
  std::vector<Document> out(1);
  int line_number = 1;
  for (std::size_t from = 0; from < text.size(); ++line_number) {
    std::size_t end = std::min(text.find('\n', from), text.size());
    std::string_view line = text.substr(from, end - from);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_marker(line, "---") || is_marker(line, "...")) {
      if (out.size() > kMaxDocuments) break;
      out.emplace_back();
      out.back().first_line = line_number;
      // The rest of the line stays where it was, so that columns are right.
      out.back().text = "   " + std::string(line.substr(3)) + "\n";
    } else if (!line.starts_with('%')) {
      out.back().text.append(line).push_back('\n');
    } else {
      out.back().text.push_back('\n');  // a directive
    }
    from = end + 1;
  }
  return out;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].first == key) return &items[i];
  }
  return nullptr;
}

std::vector<Document> parse_documents(std::string_view text) {
  if (text.size() > kMaxSpecBytes) {
    Document all;
    all.errors.push_back({{},
                          "the file has " + std::to_string(text.size()) + " bytes, more than " +
                              std::to_string(kMaxSpecBytes)});
    return {all};
  }
  if (auto at = text.find('\0'); at != text.npos) {
    Document all;
    all.errors.push_back(
        {{},
         "this is no text: byte " + std::to_string(at + 1) + " is 0; give a YAML file in UTF-8"});
    return {all};
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Document> documents = split(text);
  for (Document& document : documents) parse(document);
  if (documents.size() > kMaxDocuments) {
    documents.back().errors.push_back(
        {{documents.back().first_line, 1},
         "more than " + std::to_string(kMaxDocuments) + " documents"});
  }
  return documents;
}

std::string describe(const Node& node) {
  switch (node.kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kList:
      return "a list";
    case NodeKind::kMap:
      return "a map";
    case NodeKind::kScalar:
      break;
  }
  std::string text = node.text.substr(0, 80);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (node.text.size() > 80) text += "...";
  return "\"" + text + "\"";
}

}  // namespace tidegate::format
