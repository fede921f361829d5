#include "format/profile.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <vector>

#include "format/spec_document.h"
#include "format/spec_reader.h"
#include "format/spec_tree.h"
#include "format/spec_value.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using engine::Profile;

struct Unit {
  std::string_view name;
  std::int64_t femtos;
};
constexpr Unit kUnits[] = {{"s", 1'000'000'000'000'000},
                           {"ms", 1'000'000'000'000},
                           {"us", 1'000'000'000},
                           {"\xC2\xB5s", 1'000'000'000},
                           {"ns", 1'000'000},
                           {"ps", 1'000},
                           {"fs", 1}};

/// Keys that are a time per something.
struct TimeRow {
  std::string_view key;
  std::int64_t Profile::*member;
  std::string_view of;
};
constexpr TimeRow kTimes[] = {{"c0", &Profile::c0_fs, "a step"},
                              {"c1", &Profile::c1_fs, "a prefill token"},
                              {"c2", &Profile::c2_fs, "a decoding sequence"},
                              {"c3", &Profile::c3_fs, "a token of decoding context"},
                              {"c4", &Profile::c4_fs, "a prefill token and token of its context"}};
constexpr std::int64_t kMaxFemtos = 1'000'000'000'000'000'000;  // 1000 s

struct CountRow {
  std::string_view key;
  std::int64_t Profile::*member;
  std::int64_t most;
};
constexpr CountRow kCounts[] = {
    {"kvTokens", &Profile::kv_tokens, 1'000'000'000'000},
    {"blockSize", &Profile::block_size, 65'536},
    {"maxModelLen", &Profile::max_model_len, 1'000'000'000},
    {"maxNumBatchedTokens", &Profile::max_num_batched_tokens, 1'000'000'000},
    {"maxNumSeqs", &Profile::max_num_seqs, 1'000'000}};

/// May be left out: one rank.
constexpr CountRow kRanks = {"dataParallelSize", &Profile::data_parallel_size, 1'024};

/// May be left out: false.
struct FlagRow {
  std::string_view key;
  std::uint8_t Profile::*member;
};
constexpr FlagRow kFlags[] = {{"asyncScheduling", &Profile::async_scheduling},
                              {"reserveFullPrompt", &Profile::reserve_full_prompt}};

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys{"name", "provenance"};
  for (const TimeRow& row : kTimes) keys.push_back(row.key);
  for (const CountRow& row : kCounts) keys.push_back(row.key);
  keys.push_back(kRanks.key);
  for (const FlagRow& row : kFlags) keys.push_back(row.key);
  return keys;
}

const Node* scalar(const Node& root, std::string_view key, Reader& reader) {
  const Node* node = root.find(key);
  if (node == nullptr) {
    reader.fault(root.at, "\"" + std::string(key) + "\" is missing");
  } else if (node->kind != NodeKind::kScalar) {
    reader.fault(node->at, std::string(key) + ": expected a single value, got " + describe(*node));
    node = nullptr;
  }
  return node;
}

void read_times(const Node& root, Profile& profile, Reader& reader) {
  for (const TimeRow& row : kTimes) {
    const Node* node = scalar(root, row.key, reader);
    if (node == nullptr) continue;
    auto femtos = parse_femtos(node->text);
    if (!femtos) {
      reader.fault(node->at, std::string(row.key) + ": " + femtos.error().message);
    } else if (*femtos > kMaxFemtos) {
      reader.fault(node->at, std::string(row.key) + ": " + describe(*node) +
                                 " is too large; expected from 0 to 1000s for " +
                                 std::string(row.of));
    } else {
      profile.*row.member = *femtos;
    }
  }
}

void read_counts(const Node& root, Profile& profile, Reader& reader) {
  std::vector<CountRow> rows(std::begin(kCounts), std::end(kCounts));
  if (root.find(kRanks.key) != nullptr) rows.push_back(kRanks);
  for (const CountRow& row : rows) {
    const Node* node = scalar(root, row.key, reader);
    if (node == nullptr) continue;
    const spec::Option option = spec::Option{.key = row.key, .kind = spec::Kind::kInteger}.between(
        1, static_cast<double>(row.most));
    auto value = parse_scalar(option, *node);
    std::string fault = value ? spec::check(option, *value) : value.error().message;
    if (fault.empty()) {
      profile.*row.member = std::get<std::int64_t>(*value);
    } else {
      reader.fault(node->at, std::string(row.key) + ": " + (value ? node->text + " " : "") + fault +
                                 "; expected a whole number from 1 to " + std::to_string(row.most));
    }
  }
}

void read_flags(const Node& root, Profile& profile, Reader& reader) {
  for (const FlagRow& row : kFlags) {
    if (root.find(row.key) == nullptr) continue;
    const Node* node = scalar(root, row.key, reader);
    if (node == nullptr) continue;
    if (node->text == "true" || node->text == "false") {
      profile.*row.member = node->text == "true";
    } else {
      reader.fault(node->at,
                   std::string(row.key) + ": " + describe(*node) + "; expected true or false");
    }
  }
}

void check_profile(const Node& root, const Profile& profile, Reader& reader) {
  if (profile.c0_fs + profile.c1_fs == 0 || profile.c0_fs + profile.c2_fs == 0) {
    reader.fault(root.at, "c0, c1 and c2 leave a step without time; at least c0 must be above 0");
  }
  if (profile.max_num_batched_tokens < profile.max_num_seqs) {
    reader.fault(root.find("maxNumBatchedTokens")->at,
                 "maxNumBatchedTokens is below maxNumSeqs; a step could not hold one token of each "
                 "sequence");
  }
  if (profile.kv_tokens < profile.block_size) {
    reader.fault(root.find("kvTokens")->at, "kvTokens is less than one block (blockSize)");
  }
}

}  // namespace

Result<std::int64_t> parse_femtos(std::string_view text) {
  auto refuse = [&](std::string_view fault) {
    return fail("\"" + std::string(text.substr(0, 80)) + "\" " + std::string(fault) +
                "; write a time such as 10ms, 25us or 0.2ns (s, ms, us, ns, ps, fs)");
  };
  std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view name = text.substr(digits);
  if (name.empty()) return refuse("has no unit");
  for (const Unit& unit : kUnits) {
    if (unit.name != name) continue;
    __int128 value = 0, scale = unit.femtos;
    bool dot = false;
    int count = 0;
    for (char c : text.substr(0, digits)) {
      if (c == '.') {
        if (dot) return refuse("is not a number");
        dot = true;
        continue;
      }
      if (++count > 20) return refuse("has too many digits");
      if (dot && scale % 10 != 0) {
        if (c != '0') return refuse("is finer than a femtosecond");
        continue;
      }
      if (dot) scale /= 10;
      value = value * 10 + (c - '0');
    }
    if (count == 0 || value * scale > std::numeric_limits<std::int64_t>::max())
      return refuse("is out of range");
    return static_cast<std::int64_t>(value * scale);
  }
  return refuse("has an unknown unit");
}

std::string format_femtos(std::int64_t femtos) {
  std::string best = std::to_string(femtos) + "fs";
  for (const Unit& unit : kUnits) {
    if (unit.name.size() > 2 || femtos == 0) continue;
    std::string whole = std::to_string(femtos / unit.femtos);
    if (std::int64_t rest = femtos % unit.femtos; rest != 0) {
      std::string part = std::to_string(unit.femtos + rest).substr(1);
      part.resize(part.find_last_not_of('0') + 1);
      whole += "." + part;
    }
    std::string text = whole + std::string(unit.name);
    bool fraction = femtos % unit.femtos != 0;
    if (text.size() < best.size() || (text.size() == best.size() && !fraction)) best = text;
  }
  return best;
}

Result<Profile> parse_profile(std::string_view text, std::string_view filename) {
  std::vector<Document> documents = parse_documents(text);
  std::erase_if(documents, [](const Document& d) {
    return d.errors.empty() && d.root.kind == NodeKind::kNull;
  });
  Profile profile;
  Reader reader(nullptr);
  if (documents.size() != 1) {
    reader.fault({1, 1}, "expected one document with the keys of a profile, found " +
                             std::to_string(documents.size()));
  } else {
    const Node& root = documents[0].root;
    for (const TreeError& error : documents[0].errors) reader.fault(error.at, error.message);
    if (reader.faults().empty() && root.kind != NodeKind::kMap) {
      reader.fault(root.at, "expected a map with the keys of a profile, got " + describe(root));
    }
    if (reader.faults().empty()) {
      for (const auto& [key, at] : root.keys) {
        auto known = known_keys();
        if (std::find(known.begin(), known.end(), key) == known.end())
          reader.unknown_key(key, at, "profile", known);
      }
      if (const Node* name = scalar(root, "name", reader)) profile.name = name->text;
      if (const Node* provenance = scalar(root, "provenance", reader))
        profile.provenance = provenance->text;
      read_times(root, profile, reader);
      read_counts(root, profile, reader);
      read_flags(root, profile, reader);
      if (reader.faults().empty()) check_profile(root, profile, reader);
    }
  }
  if (reader.faults().empty()) return profile;
  std::string message;
  for (const Fault& fault : reader.faults()) {
    Diagnostic line{Severity::kError, std::string(filename), fault.at.line, fault.at.column,
                    fault.message};
    message += (message.empty() ? "" : "\n") + line.text();
  }
  return fail(message);
}

std::string profile_yaml(const Profile& profile) {
  const spec::Option text{.kind = spec::Kind::kString};
  std::string out = "name: " + value_text(text, profile.name) +
                    "\nprovenance: " + value_text(text, profile.provenance) + "\n";
  for (const TimeRow& row : kTimes) {
    std::string line = std::string(row.key) + ": " + format_femtos(profile.*row.member);
    line.resize(std::max<std::size_t>(line.size(), 14), ' ');
    out += line + "  # " + std::string(row.of) + "\n";
  }
  for (const CountRow& row : kCounts)
    out += std::string(row.key) + ": " + std::to_string(profile.*row.member) + "\n";
  if (profile.data_parallel_size > 1) {
    out += std::string(kRanks.key) + ": " + std::to_string(profile.data_parallel_size) +
           "  # ranks; the numbers above are of one\n";
  }
  for (const FlagRow& row : kFlags) {
    if (profile.*row.member != 0) out += std::string(row.key) + ": true\n";
  }
  return out;
}

Result<Profile> load_profile(const std::string& name, const std::vector<std::string>& directories) {
  auto read = [](const std::string& path) -> Result<Profile> {
    auto text = read_file(path);
    if (!text) return fail(text.error().within("profile " + path));
    return parse_profile(*text, path);
  };
  std::error_code error;
  if (name.find('/') != std::string::npos || name.ends_with(".yaml")) return read(name);
  if (name == "reference") return Profile{};
  std::string looked;
  for (const std::string& directory : directories) {
    std::string path = (std::filesystem::path(directory) / (name + ".yaml")).string();
    if (std::filesystem::is_regular_file(path, error)) return read(path);
    looked += (looked.empty() ? "" : ", ") + directory;
  }
  return fail("there is no profile \"" + name + "\" in " + looked + "; built in: reference");
}

std::vector<std::string> profile_directories() {
  std::vector<std::string> out;
  if (const char* given = std::getenv("TIDEGATE_PROFILES"); given != nullptr && *given != '\0')
    out.emplace_back(given);
  out.emplace_back("./profiles");
  std::error_code error;
  auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    out.push_back((binary.parent_path() / "profiles").string());
    out.push_back((binary.parent_path().parent_path() / "profiles")
                      .string());  // build/tidegate in a checkout
  }
  out.emplace_back("/usr/share/tidegate/profiles");
  return out;
}

}  // namespace tidegate::format
