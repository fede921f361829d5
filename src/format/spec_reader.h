#pragma once
// Reader: a tree of YAML -> an owner struct, by its Section of the option table.
//
// Every fault is reported, not the first only; what is faulty keeps its default. Thread-safety: one
// owner.
//
//   Reader reader(load_samples);
//   reader.read(node, spec::model_section(), &model, "spec");
//   reader.faults(); reader.positions();

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/spec/options.h"
#include "format/spec_tree.h"

namespace tidegate::format {

struct Fault {
  Position at;
  std::string message;
};

/// Reads {samples: FILE}.
using LoadSamples = std::function<Result<spec::Spread>(const std::string& file)>;

class Reader {
 public:
  /// `home` is where a misplaced key is looked for.
  explicit Reader(LoadSamples load_samples, const spec::Section& home = spec::model_section())
      : load_samples_(std::move(load_samples)), home_(&home) {}

  void read(const Node& node, const spec::Section& section, void* owner, const std::string& path);
  /// An unknown key, with what was probably meant and where it belongs.
  void unknown_key(std::string_view key, Position at, const std::string& path,
                   const std::vector<std::string_view>& known);
  void fault(Position at, std::string message) { faults_.push_back({at, std::move(message)}); }
  void mark(const std::string& path, Position at) { positions_[path] = at; }

  std::vector<Fault>& faults() { return faults_; }
  std::map<std::string, Position>& positions() { return positions_; }

 private:
  void read_row(const Node& node, const spec::Section& section, const spec::Option& row,
                void* owner, const std::string& path);
  void read_object(const Node& node, const spec::Section& section, const spec::Option& row,
                   void* owner, const std::string& path);
  void read_objects(const Node& node, const spec::Section& section, const spec::Option& row,
                    void* owner, const std::string& path);
  void check_choice(const Node& node, const spec::Section& section, const std::string& path);
  Result<spec::Value> parse(const Node& node, const spec::Option& row, const std::string& path);
  Result<spec::Value> parse_spread(const Node& node);
  Result<spec::Value> parse_texts(const Node& node, const spec::Option& row,
                                  const std::string& path);

  LoadSamples load_samples_;
  const spec::Section* home_;
  std::vector<Fault> faults_;
  std::map<std::string, Position> positions_;
};

/// A samples file: CSV with a column `seconds`, or one number of seconds a line; # begins a
/// comment.
Result<std::vector<Duration>> parse_samples(std::string_view text);
inline constexpr std::size_t kMaxSamples = 100'000;
/// Sorted samples with their own p50 and p90 (nearest rank).
spec::Spread spread_of(std::vector<Duration> samples);

/// What a document away from its samples files carries of them: their p50 and p90, all that a
/// decision looks at. A document of its own behind the first; nothing where there are none.
std::string recorded_samples(const std::map<std::string, spec::Spread>& by_file);
inline constexpr std::string_view kRecordedSamples = "    # samples of the variants above";
/// Reads that document back.
Result<std::map<std::string, spec::Spread>> parse_recorded_samples(const Node& root);

}  // namespace tidegate::format
