#include "core/signal/page.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/check.h"

namespace tidegate::signal {
namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
}

void Page::clear() {
  samples_ = 0;
  ranks_.fill(kUnseen);
  values_.fill(kNan);
  weights_.fill(0);
  means_.fill(false);
  rank_groups_.clear();
  cursors_.fill(0);
  for (HistogramReading& h : histograms_) {
    h.buckets.clear();
    h.count = h.sum = 0;
    h.seen = false;
  }
  for (std::string& text : texts_) text.clear();
}

void Page::reset(const Dialect& dialect) {
  dialect_ = &dialect;
  clear();
}

double Page::value(SignalId id) const {
  std::size_t i = index_of(id);
  return means_[i] ? values_[i] / weights_[i] : values_[i];
}

bool Page::has_text(SignalId id) const { return ranks_[index_of(id)] != kUnseen; }

bool Page::outranks(const DialectRow& row) {
  std::size_t i = index_of(row.signal);
  if (row.rank > ranks_[i]) return false;
  if (row.rank < ranks_[i]) {
    ranks_[i] = row.rank;
    values_[i] = kNan;
    weights_[i] = 0;
    if (shape_of(row.signal) == Shape::kHistogram) {
      std::size_t h = i - index_of(SignalId::kTtft);
      histograms_[h].buckets.clear();
      histograms_[h].count = histograms_[h].sum = 0;
      cursors_[h] = 0;
    }
  }
  return true;
}

double Page::grown(const RowSample& sample, double value) {
  for (RankGroup& g : rank_groups_) {
    if (g.row != sample.row || g.group != sample.rank_group) continue;
    const double before = std::exchange(g.largest, std::max(g.largest, value));
    return g.largest - before;
  }
  if (rank_groups_.size() == kMaxRankGroups) return 0;
  rank_groups_.push_back({sample.row, sample.rank_group, value});
  return value;
}

void Page::add(const RowSample& sample) {
  TIDEGATE_CHECK(sample.row < dialect_->rows.size());
  const DialectRow& row = dialect_->rows[sample.row];
  Shape shape = shape_of(row.signal);
  double value = row.from_label.empty() ? sample.value : sample.label_value;
  if (std::isnan(sample.value) || (shape != Shape::kText && std::isnan(value))) return;
  if (!outranks(row)) return;
  ++samples_;
  std::size_t i = index_of(row.signal);
  if (shape == Shape::kHistogram) {
    std::size_t h = i - index_of(SignalId::kTtft);
    add_histogram(histograms_[h], cursors_[h], sample);
    return;
  }
  bool first = weights_[i] == 0;
  if (shape == Shape::kText) {
    if (!first && sample.value <= values_[i]) return;
    values_[i] = sample.value;
    weights_[i] = 1;
    texts_[i - index_of(SignalId::kLoraRunning)].assign(sample.text.substr(0, kMaxText));
    return;
  }
  value *= row.scale;
  if (row.reduce == Reduce::kRanks) value = grown(sample, value);
  switch (row.reduce) {
    case Reduce::kSum:
    case Reduce::kRanks:
    case Reduce::kMean:
      values_[i] = first ? value : values_[i] + value;
      weights_[i] += 1;
      means_[i] = row.reduce == Reduce::kMean;
      break;
    case Reduce::kMax:
      values_[i] = first ? value : std::max(values_[i], value);
      weights_[i] = 1;
      break;
    case Reduce::kLatest:  // the weight is the stamp; stamps are times, so never zero in earnest
      if (first || sample.value > weights_[i]) {
        values_[i] = value;
        weights_[i] = sample.value == 0 ? std::numeric_limits<double>::min() : sample.value;
      }
      break;
  }
}

void Page::add_histogram(HistogramReading& h, std::size_t& cursor, const RowSample& sample) {
  if (sample.part == Part::kSum) {
    h.sum += sample.value;
  } else if (sample.part == Part::kCount) {
    h.count += sample.value;
    h.seen = true;
  } else if (sample.part == Part::kBucket && std::isfinite(sample.bound)) {
    // Buckets come in ascending order, label set after label set: the cursor is nearly always
    // right.
    if (cursor >= h.buckets.size() || h.buckets[cursor].bound != sample.bound) {
      auto at = std::lower_bound(h.buckets.begin(), h.buckets.end(), sample.bound,
                                 [](const Bucket& b, double bound) { return b.bound < bound; });
      cursor = static_cast<std::size_t>(at - h.buckets.begin());
      if (at == h.buckets.end() || at->bound != sample.bound) {
        if (h.buckets.size() == HistogramReading::kMaxBuckets) return;
        h.buckets.insert(at, {sample.bound, 0});
      }
    }
    h.buckets[cursor++].count += sample.value;
  }
}

}  // namespace tidegate::signal
