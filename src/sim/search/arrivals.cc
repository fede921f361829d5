#include "sim/search/arrivals.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {
namespace {

/// Hands out what is in memory, which all copies share.
class Kept : public workload::Stream {
 public:
  explicit Kept(std::shared_ptr<const std::vector<workload::TraceRequest>> all)
      : all_(std::move(all)) {}
  bool next(workload::TraceRequest& out) override {
    if (at_ == all_->size()) return false;
    out = (*all_)[at_++];
    return true;
  }
  double progress() const override {
    return all_->empty() ? 1 : static_cast<double>(at_) / static_cast<double>(all_->size());
  }

 private:
  std::shared_ptr<const std::vector<workload::TraceRequest>> all_;
  std::size_t at_ = 0;
};

class Part : public workload::Stream {
 public:
  Part(std::unique_ptr<workload::Stream> whole, Duration from, Duration until)
      : whole_(std::move(whole)), from_(from), until_(until) {}
  bool next(workload::TraceRequest& out) override {
    while (whole_->next(out)) {
      if (out.at >= until_) return false;
      if (out.at < from_) continue;
      out.at -= from_;
      return true;
    }
    return false;
  }
  double progress() const override { return whole_->progress(); }
  std::string skipped() const override { return whole_->skipped(); }

 private:
  std::unique_ptr<workload::Stream> whole_;
  Duration from_, until_;
};

}  // namespace

OpenStream part_of(OpenStream open, Duration from, Duration until) {
  return [open = std::move(open), from, until]() -> Result<std::unique_ptr<workload::Stream>> {
    auto whole = open();
    if (!whole) return whole;
    return std::make_unique<Part>(std::move(*whole), from, until);
  };
}

void Arrivals::add(const workload::TraceRequest& request) {
  ++count_;
  last_ = std::max(last_, request.at);
  if (last_ < kSizedFor) first_minute_.add(request);
  while (last_ / bin_ >= static_cast<std::int64_t>(kMostBins)) {
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      LoadBin bin = std::exchange(bins_[i], {});
      bins_[i / 2].requests += bin.requests;
      bins_[i / 2].prompt_tokens += bin.prompt_tokens;
      bins_[i / 2].output_tokens += bin.output_tokens;
    }
    bins_.resize((bins_.size() + 1) / 2);
    bin_ *= 2;
  }
  auto index = static_cast<std::size_t>(last_ / bin_);
  if (bins_.size() <= index) bins_.resize(index + 1);
  ++bins_[index].requests;
  bins_[index].prompt_tokens += request.prompt.value();
  bins_[index].output_tokens += request.output.value();
}

Result<Arrivals> Arrivals::read(OpenStream open, std::size_t keep_at_most) {
  Arrivals out;
  auto stream = open();
  if (!stream) return fail(stream.error());
  auto kept = std::make_shared<std::vector<workload::TraceRequest>>();
  for (workload::TraceRequest r; (*stream)->next(r);) {
    out.add(r);
    if (kept->size() < keep_at_most) kept->push_back(r);
  }
  if (out.count_ == 0) {
    std::string why = (*stream)->skipped();
    return fail("the trace has no request in the part asked for" + (why.empty() ? "" : ": " + why));
  }
  if (static_cast<std::size_t>(out.count_) == kept->size()) out.kept_ = std::move(kept);
  out.open_ = std::move(open);
  return out;
}

Result<std::unique_ptr<workload::Stream>> Arrivals::open() const {
  if (kept_) return std::make_unique<Kept>(kept_);
  return open_();
}

}  // namespace tidegate::sim
