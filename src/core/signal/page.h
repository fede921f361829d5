#pragma once
// Page: the samples of one scrape, reduced as they come from label sets to one value a signal.
//
//   Page page(dialect(DialectId::kVllm));
//   page.add({.row = 0, .value = 37});                  // format/exposition_signals.h does this
//   double running = page.value(SignalId::kRunningRequests);   // NaN: not on the page
//
// NaN samples are as good as none; a label that is no number gives nothing ("None" blocks). Buckets
// of several label sets are added bound by bound. Reused from page to page: the steady state
// allocates nothing. Thread-safety: one owner.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/signal/dialect.h"

namespace tidegate::signal {

/// Which series of a family: itself, or one of a histogram's three.
enum class Part : std::uint8_t { kValue, kBucket, kSum, kCount };

struct RowSample {
  std::uint16_t row = 0;  ///< index in the dialect's rows; its labels match
  Part part = Part::kValue;
  double value = 0;        ///< the sample's
  double bound = 0;        ///< kBucket: le
  double label_value = 0;  ///< rows with from_label: the label as a number, NaN where it is none
  std::string_view text = {};  ///< kText rows: the label, unescaped
  double rank_group = 0;       ///< kRanks rows: kRanksLabel as a number, 0 where it is none
};

struct Bucket {
  double bound = 0;  ///< upper, inclusive; the last is +Inf
  double count = 0;  ///< cumulative
  bool operator==(const Bucket&) const = default;
};

struct HistogramReading {
  static constexpr std::size_t kMaxBuckets = 128;  ///< further ones are left out
  std::vector<Bucket> buckets;                     ///< ascending, without +Inf
  double count = 0;
  double sum = 0;
  bool seen = false;
};

class Page {
 public:
  static constexpr std::size_t kMaxText = 4096;       ///< bytes kept of a text
  static constexpr std::size_t kMaxRankGroups = 512;  ///< further ones are left out
  explicit Page(const Dialect& dialect) : dialect_(&dialect) { clear(); }
  void clear();
  /// Another dialect's page comes next.
  void reset(const Dialect& dialect);
  void add(const RowSample& sample);

  const Dialect& dialect() const { return *dialect_; }
  /// Of a gauge or counter; NaN where the page did not have it.
  double value(SignalId id) const;
  /// The rank of the rows that gave it: a change of rank is a change of series.
  std::uint8_t rank(SignalId id) const { return ranks_[index_of(id)]; }
  const HistogramReading& histogram(SignalId id) const {
    return histograms_[index_of(id) - index_of(SignalId::kTtft)];
  }
  bool has_text(SignalId id) const;
  std::string_view text(SignalId id) const {
    return texts_[index_of(id) - index_of(SignalId::kLoraRunning)];
  }
  /// Nothing of the dialect was on the page.
  bool empty() const { return samples_ == 0; }

 private:
  static constexpr std::uint8_t kUnseen = 255;
  /// False: a better rank is there already. A better rank than before starts afresh.
  bool outranks(const DialectRow& row);
  /// What the sample adds to the sum of its row's groups.
  double grown(const RowSample& sample, double value);
  void add_histogram(HistogramReading& h, std::size_t& cursor, const RowSample& sample);

  const Dialect* dialect_;
  std::uint64_t samples_ = 0;
  std::array<std::uint8_t, kSignalCount> ranks_;
  std::array<double, kSignalCount> values_;   ///< running sum, maximum or latest
  std::array<double, kSignalCount> weights_;  ///< samples seen, or the stamp of the latest
  std::array<bool, kSignalCount> means_;
  struct RankGroup {
    std::uint16_t row = 0;
    double group = 0;
    double largest = 0;
  };
  std::vector<RankGroup> rank_groups_;  ///< a few: rows by data parallel ranks
  std::array<HistogramReading, kHistogramCount> histograms_;
  std::array<std::size_t, kHistogramCount> cursors_;  ///< where the next bucket is expected
  std::array<std::string, kTextCount> texts_;
};

}  // namespace tidegate::signal
