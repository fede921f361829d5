#pragma once
// Keeper: holds the sets that are wanted in a cache, one fetch at a time, and says which are ready.
//
//   Keeper keeper(loop, cache, settings, {.every = seconds(60)}, std::move(labels));
//   keeper.want("cluster", sets);           // again whenever they change
//   keeper.start(); ... keeper.stop([&] { loop.stop(); });
//
// A fetch runs on a thread of its own; one that fails is tried again after kFirstWait, doubling to
// kLongestWait. What is not wanted any more stays until its room is. A label is taken off the node
// before its set goes; if that fails, the set stays. Sets somebody holds the lock of count as used.
// Thread-safety: the loop's thread.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "live/net/loop.h"
#include "live/weights/fetch.h"
#include "live/weights/node_labels.h"

namespace tidegate::live::weights {

struct KeepOptions {
  Duration every = seconds(60);
  Duration first_wait = seconds(30);
  std::int64_t capacity = 0;  ///< for the metrics page
};

class Keeper {
 public:
  static constexpr Duration kLongestWait = seconds(1800);
  Keeper(net::Loop& loop, Cache cache, FetchSettings settings, const KeepOptions& options,
         std::unique_ptr<NodeLabels> labels);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// All that `from` (a manifest, the cluster) wants now. A name that another one has too is that
  /// one's.
  void want(const std::string& from, std::vector<WantedSet> sets);
  void start();
  /// Ends a fetch under way; what it has fetched stays. `stopped` is called once.
  void stop(std::function<void()> stopped);
  /// Everything that is wanted is there.
  bool complete() const;
  /// As /metrics tells it: Prometheus text.
  std::string metrics() const;

 private:
  struct Try {
    int attempts = 0;
    Instant not_before;
    std::string error;
  };
  void look();
  void look_soon();
  NodeLabels::Names ready() const;
  void label();
  const WantedSet* next_to_fetch() const;
  void begin(const WantedSet& set);
  void ended(const std::string& name, const Result<Fetched>& result);
  Result<void> unlabel(const std::string& name);  ///< the fetching thread's; blocks

  net::Loop& loop_;
  Cache cache_;
  FetchSettings settings_;
  KeepOptions options_;
  std::unique_ptr<NodeLabels> labels_;
  std::map<std::string, std::vector<WantedSet>> asked_;  ///< by who asks
  std::map<std::string, WantedSet> wanted_;              ///< by name
  std::map<std::string, Try> tries_;
  CacheList list_;
  bool started_ = false, due_ = false;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::thread fetching_;
  std::string fetching_name_;    ///< empty: none
  std::set<std::string> going_;  ///< unlabelled, and evicted next
  std::atomic<bool> stop_ = false;
  std::function<void()> stopped_;
  std::string label_error_;
  // Counted for the metrics page.
  std::int64_t fetched_ = 0, failed_ = 0, evicted_ = 0, fetched_bytes_ = 0;
  Progress progress_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::weights
