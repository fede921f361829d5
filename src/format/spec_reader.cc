#include "format/spec_reader.h"

#include <algorithm>

#include "format/spec_units.h"
#include "format/spec_value.h"

namespace tidegate::format {
namespace {

using spec::Choice;
using spec::Kind;
using spec::Option;
using spec::Section;
using spec::Value;

std::vector<std::string_view> keys_of(const Section& section) {
  std::vector<std::string_view> keys;
  for (const Option& row : section.options) keys.push_back(row.key);
  return keys;
}

std::string join(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

std::string shown(std::string_view text) {
  std::string out(text.substr(0, 80));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

/// Where in the whole spec a key of this name lives; empty where nowhere or in several places.
std::string home_of(const Section& section, std::string_view key) {
  std::string home;
  int homes = 0;
  spec::for_each_option(section, "spec",
                        [&](std::string_view path, const Section&, const Option& row) {
                          if (row.key != key || homes++ > 0) return;
                          home = path.substr(0, path.size() - key.size() - 1);
                        });
  if (homes > 1 && (key == "minReplicas" || key == "maxReplicas"))
    return "spec.variants[]";  // and in schedule, rarely meant
  return homes == 1 ? home : "";
}

/// parse_scalar, or a word on what stands there instead of a single value.
Result<Value> single(const Node& node, const Option& row) {
  if (node.kind != NodeKind::kScalar) return fail("got " + describe(node));
  return parse_scalar(row, node);
}

bool is_spread_map(const Node& node) {
  return node.kind == NodeKind::kMap &&
         (node.find("p50") != nullptr || node.find("samples") != nullptr);
}

}  // namespace

void Reader::unknown_key(std::string_view key, Position at, const std::string& path,
                         const std::vector<std::string_view>& known) {
  std::string message = path + ": unknown key \"" + shown(key) + "\"";
  if (std::string meant = suggest(key, known); !meant.empty()) {
    message += "; did you mean \"" + meant + "\"?";
  } else if (std::string home = home_of(*home_, key); !home.empty()) {
    message += "; it belongs under " + home + ".";
  } else {
    message += ".";
  }
  fault(at, message + " Accepted: " + join(known));
}

void Reader::read(const Node& node, const Section& section, void* owner, const std::string& path) {
  if (node.kind != NodeKind::kMap) {
    if (node.kind != NodeKind::kNull) {
      fault(node.at,
            path + ": expected a map with " + join(keys_of(section)) + ", got " + describe(node));
      return;
    }
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto& [key, at] = node.keys[i];
    if (const Option* row = spec::find(section, key)) {
      read_row(node.items[i], section, *row, owner, path + "." + key);
    } else if (std::string_view write = spec::retired(section, key); !write.empty()) {
      fault(at, path + ": \"" + key + "\" is no key any more; " + std::string(write));
    } else {
      unknown_key(key, at, path, keys_of(section));
    }
  }
  for (const Option& row : section.options) {
    if (row.required && node.find(row.key) == nullptr) {
      fault(node.at, path + ": \"" + std::string(row.key) + "\" is missing; expected " +
                         accepted(section, row));
    }
  }
  check_choice(node, section, path);
}

void Reader::check_choice(const Node& node, const Section& section, const std::string& path) {
  if (section.choice == Choice::kAny) return;
  std::vector<std::string_view> among(section.among.begin(), section.among.end());
  if (among.empty()) among = keys_of(section);
  std::vector<std::string_view> given;
  Position second;
  bool strangers = false;  // one of them may be what is missing, and is reported
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& key = node.keys[i].first;
    strangers = strangers || spec::find(section, key) == nullptr;
    if (node.items[i].kind == NodeKind::kNull) continue;
    if (std::find(among.begin(), among.end(), key) == among.end()) continue;
    given.push_back(key);
    if (given.size() == 2) second = node.keys[i].second;
  }
  if (given.empty()) {
    if (strangers) return;
    if (section.choice == Choice::kExactlyOne)
      fault(node.at, path + ": one of " + join(among) + " is missing");
    if (section.choice == Choice::kAtLeastOne)
      fault(node.at, path + ": at least one of " + join(among) + " is missing");
  } else if (given.size() > 1 && section.choice == Choice::kExactlyOne) {
    fault(second, path + ": only one of " + join(among) + " may be given, this has " + join(given));
  }
}

void Reader::read_row(const Node& node, const Section& section, const Option& row, void* owner,
                      const std::string& path) {
  mark(path, node.at);
  if (row.kind == Kind::kObject) return read_object(node, section, row, owner, path);
  if (row.kind == Kind::kObjectList) return read_objects(node, section, row, owner, path);
  if (node.kind == NodeKind::kNull) {
    fault(node.at,
          path + ": has no value; expected " + accepted(section, row) + ", or leave the key out");
    return;
  }
  auto value = parse(node, row, path);
  if (!value) {
    if (value.error().message.empty()) return;  // reported where it is
    const std::string& wrong = value.error().message;
    fault(node.at, path + ": " + wrong + (wrong.ends_with('?') ? " Expected " : "; expected ") +
                       accepted(section, row));
    return;
  }
  if (std::string wrong = spec::check(row, *value); !wrong.empty()) {
    std::string seen = node.kind == NodeKind::kScalar ? shown(node.text) : value_text(row, *value);
    fault(node.at, path + ": " + (seen.size() < 200 ? seen : describe(node)) + " " + wrong +
                       "; expected " + accepted(section, row));
    return;
  }
  row.bind.set(owner, *value);
}

void Reader::read_object(const Node& node, const Section&, const Option& row, void* owner,
                         const std::string& path) {
  bool brief = !row.shorthand.empty() && (node.kind == NodeKind::kScalar || is_spread_map(node));
  if (node.kind == NodeKind::kNull) return;  // everything below it is commented out
  void* child = row.bind.child(owner);
  if (brief) {
    const Option* inner = spec::find(*row.section, row.shorthand);
    read_row(node, *row.section, *inner, child, path + "." + std::string(row.shorthand));
  } else {
    read(node, *row.section, child, path);
  }
}

void Reader::read_objects(const Node& node, const Section& section, const Option& row, void* owner,
                          const std::string& path) {
  if (node.kind == NodeKind::kNull && !row.required) return;
  if (node.kind != NodeKind::kList) {
    fault(node.at, path + ": expected " + accepted(section, row) +
                       " (begin each with \"- \"), got " + describe(node));
    return;
  }
  std::size_t most = row.max_items != 0 ? row.max_items : spec::kMaxItems;
  if (node.items.size() > most) {
    fault(node.at, path + ": has " + std::to_string(node.items.size()) + " items, at most " +
                       std::to_string(most) + " are accepted");
    return;
  }
  if (node.items.empty() && row.required) fault(node.at, path + ": must have at least one item");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    std::string at = path + "[" + std::to_string(i) + "]";
    mark(at, node.items[i].at);
    read(node.items[i], *row.section, row.bind.child(owner), at);
  }
}

Result<Value> Reader::parse(const Node& node, const Option& row, const std::string& path) {
  switch (row.kind) {
    case Kind::kStringList:
    case Kind::kStringMap:
      return parse_texts(node, row, path);
    case Kind::kSpread:
      return node.kind == NodeKind::kMap ? parse_spread(node) : single(node, row);
    case Kind::kPercentile:
      break;
    default:
      return single(node, row);
  }
  if (node.kind != NodeKind::kMap) return fail(describe(node) + " lacks the percentile");
  if (node.keys.size() != 1) {
    return fail("has " + std::to_string(node.keys.size()) +
                " percentiles where the SLO is judged by one");
  }
  auto percentile = parse_percentile(node.keys[0].first);
  if (!percentile) return fail(percentile.error());
  if (node.items[0].kind != NodeKind::kScalar)
    return fail(describe(node.items[0]) + " is not a duration");
  auto bound = read_duration(node.items[0].text);
  if (!bound) return fail(bound.error());
  return spec::LatencyBound{*percentile, *bound};
}

Result<Value> Reader::parse_spread(const Node& node) {
  if (const Node* file = node.find("samples")) {
    if (node.keys.size() > 1) return fail("samples stand alone, without p50 and p90");
    if (file->kind != NodeKind::kScalar)
      return fail("samples: " + describe(*file) + " is not a file name");
    auto samples = load_samples_(file->text);
    if (!samples) return fail(samples.error().within(file->text));
    return *samples;
  }
  spec::Spread spread;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& key = node.keys[i].first;
    if (key != "p50" && key != "p90")
      return fail("\"" + shown(key) + "\" is none of p50, p90, samples");
    if (node.items[i].kind != NodeKind::kScalar)
      return fail(key + ": " + describe(node.items[i]) + " is not a duration");
    auto time = read_duration(node.items[i].text);
    if (!time) return fail(time.error().within(key));
    (key == "p50" ? spread.p50 : spread.p90) = *time;
  }
  if (node.keys.size() != 2) return fail("needs both p50 and p90");
  return spread;
}

Result<Value> Reader::parse_texts(const Node& node, const Option& row, const std::string& path) {
  bool list = row.kind == Kind::kStringList;
  if (node.kind != (list ? NodeKind::kList : NodeKind::kMap)) return fail("got " + describe(node));
  std::vector<std::string> texts;
  std::map<std::string, std::string> named;
  bool bad = false;
  const Option item{.key = row.key, .kind = Kind::kString};
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    std::string at = path + (list ? "[" + std::to_string(i) + "]" : "." + node.keys[i].first);
    if (list) mark(at, node.items[i].at);
    auto text = single(node.items[i], item);
    if (!text) {
      fault(node.items[i].at, shown(at) + ": " + text.error().message);
      bad = true;
    } else if (list) {
      texts.push_back(std::get<std::string>(*text));
    } else {
      named[node.keys[i].first] = std::get<std::string>(*text);
    }
  }
  if (bad) return fail("");
  if (list) return texts;
  return named;
}

}  // namespace tidegate::format
