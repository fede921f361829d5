#include "sim/search/trial.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {
namespace {

constexpr std::int64_t kAskEvery = 1 << 12;  // requests

class Misses : public Recorder {
 public:
  explicit Misses(Duration bucket) : bucket_(bucket) {}
  void request(const RequestRecord& r) override {
    if (r.met) return;
    ++all;
    if (bucket_ <= Duration(0)) return;
    auto index = static_cast<std::size_t>((r.arrived - Instant()) / bucket_);
    if (by_bucket.size() <= index) by_bucket.resize(index + 1);
    ++by_bucket[index];
  }
  std::int64_t all = 0;
  std::vector<std::int64_t> by_bucket;

 private:
  Duration bucket_;
};

}  // namespace

Result<Played> play(WorldOptions options, const Arrivals& arrivals, const Watch& watch) {
  auto stream = arrivals.open();
  if (!stream) return fail(stream.error());
  Misses misses(watch.bucket);
  options.recorder = &misses;
  World world(std::move(options));
  Played out;
  std::int64_t offered = 0;
  bool given_up = false;
  for (workload::TraceRequest r; !given_up && (*stream)->next(r);) {
    world.offer(r);
    given_up = misses.all > watch.most_misses ||
               (++offered % kAskEvery == 0 && watch.stop && watch.stop());
  }
  if (!given_up) {
    world.drain();
    given_up = misses.all > watch.most_misses || (watch.stop && watch.stop());
  }
  out.work = offered + (world.now() - Instant()) / seconds(1);
  if (given_up) return out;
  out.whole = true;
  out.end = std::max(watch.end, world.now());
  out.realised = world.realised();
  world.finish(out.end);
  out.totals = world.totals();
  out.misses = std::move(misses.by_bucket);
  return out;
}

}  // namespace tidegate::sim
