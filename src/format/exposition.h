#pragma once
// Exposition: a pull parser of Prometheus text 0.0.4 and OpenMetrics 1.0 that looks at wanted names
// only.
//
//   NameSet wanted({"vllm:num_requests_running", "vllm:num_requests_waiting"});
//   Exposition page(text, TextFormat::kPrometheus, wanted);
//   for (SampleLine s; page.next(s);) use(s.name, s.label("engine"), s.value);
//
// Promises: names match whole (`..._waiting` is not `..._waiting_by_reason`); nothing is copied,
// every view lies inside `text`; nothing throws or allocates; a bad line is counted, with the
// number of the first, and skipped; any bytes at all are legal input. Lines of other names are
// skipped without being looked into, so only their name is checked. Units: timestamps come as
// WallTime (0.0.4 writes ms, OpenMetrics seconds). Accepted beyond the letter of the formats: \r\n,
// no final newline, trailing commas, blanks anywhere between tokens, any case of NaN and Inf,
// `-nan(ind)`, hex floats, exemplars in 0.0.4. Source: prometheus/docs exposition_formats.md and
// open_metrics_spec.md, with quoted UTF-8 names. Thread-safety: values; a NameSet may be shared
// once built.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace tidegate::format {

enum class TextFormat : std::uint8_t { kPrometheus, kOpenMetrics };
/// By the Content-Type of the answer; anything unknown is Prometheus text.
TextFormat text_format(std::string_view content_type);

/// The names wanted, each with its index in the list given. Open addressing, at most a quarter
/// full.
class NameSet {
 public:
  static constexpr std::size_t kMaxNames = 4096;
  static constexpr int kNone = -1;
  /// Names are distinct, not empty, and hold no quote, backslash or blank. They are copied.
  explicit NameSet(std::span<const std::string_view> names);
  int find(std::string_view name) const;
  /// As find(), with the hash that was computed while looking for the end of the name.
  int find(std::string_view name, std::uint64_t hash) const;
  std::size_t size() const { return names_.size(); }
  std::string_view name(int index) const { return names_[static_cast<std::size_t>(index)]; }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::int32_t index = kNone;
  };
  std::vector<std::string> names_;
  std::vector<Slot> slots_;
  std::uint64_t mask_ = 0;
};

struct Label {
  std::string_view name;
  std::string_view value;  ///< as written: `escaped` says whether unescape() would change it
  bool escaped = false;
};
/// \\ \" and \n as the formats define them; any other backslash stays.
std::string unescape(std::string_view value);

struct SampleLine {
  static constexpr std::size_t kMaxLabels = 64;
  int name = NameSet::kNone;  ///< index in the NameSet
  double value = 0;           ///< may be NaN or infinite
  std::optional<WallTime> timestamp;
  std::string_view exemplar;  ///< what follows '#', unparsed; empty: none
  std::size_t label_count = 0;
  std::array<Label, kMaxLabels> label_array;

  std::span<const Label> labels() const { return {label_array.data(), label_count}; }
  /// Raw value, or empty: an empty label and a missing one are the same, as in Prometheus.
  std::string_view label(std::string_view wanted) const {
    for (const Label& l : labels()) {
      if (l.name == wanted) return l.value;
    }
    return {};
  }
};

/// lines = blank + comments + skipped + samples + garbage.
struct PageStats {
  std::uint32_t lines = 0;
  std::uint32_t blank = 0;
  std::uint32_t comments = 0;
  std::uint32_t skipped = 0;  ///< of other names
  std::uint32_t samples = 0;  ///< handed out
  std::uint32_t garbage = 0;
  std::uint32_t first_garbage_line = 0;  ///< from 1; 0: none
  bool end_seen = false;                 ///< OpenMetrics "# EOF"; nothing after it is read
  bool operator==(const PageStats&) const = default;
};

class Exposition {
 public:
  /// `text` and `wanted` must outlive this.
  Exposition(std::string_view text, TextFormat format, const NameSet& wanted)
      : at_(text.data()), end_(text.data() + text.size()), format_(format), wanted_(&wanted) {}
  /// The next wanted sample; false at the end.
  bool next(SampleLine& out);
  const PageStats& stats() const { return stats_; }

 private:
  enum class Seen : std::uint8_t { kSample, kOther };
  Seen read_line(const char* begin, const char* end, SampleLine& out);
  int find_name(const char* begin, const char* end, const char*& after);
  void garbage();

  const char* at_;
  const char* end_;
  TextFormat format_;
  const NameSet* wanted_;
  std::string_view
      last_name_;  ///< series of one name stand together: one comparison finds the next
  int last_index_ = NameSet::kNone;
  PageStats stats_;
};

/// A sample value or bucket bound as both formats write it. Empty where it is not a number.
std::optional<double> parse_number(std::string_view text);

}  // namespace tidegate::format
