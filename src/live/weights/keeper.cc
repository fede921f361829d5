#include "live/weights/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "format/exposition_writer.h"
#include "live/net/log.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {

using net::Level;

namespace {
constexpr std::chrono::milliseconds kStopSeen{50};
}

Keeper::Keeper(net::Loop& loop, Cache cache, FetchSettings settings, const KeepOptions& options,
               std::unique_ptr<NodeLabels> labels)
    : loop_(loop),
      cache_(std::move(cache)),
      settings_(std::move(settings)),
      options_(options),
      labels_(std::move(labels)) {}

Keeper::~Keeper() {
  loop_.cancel(timer_);
  stop_ = true;
  if (fetching_.joinable()) fetching_.join();
}

void Keeper::want(const std::string& from, std::vector<WantedSet> sets) {
  asked_[from] = std::move(sets);
  std::map<std::string, WantedSet> wanted;
  for (const auto& [who, list] : asked_) {
    for (const WantedSet& set : list) {
      auto name = name_of(set);
      if (!name) {
        net::log(Level::kWarn, "weights are not kept",
                 {{"source", set.source()}, {"error", name.error().message}});
        continue;
      }
      if (wanted.size() == kMaxWanted) {
        net::log(Level::kWarn, "over 1,000 sets of weights are wanted; the rest is not kept");
        break;
      }
      wanted.emplace(*name, set);
    }
  }
  // Another source under a name has not failed yet.
  std::erase_if(tries_, [&](const auto& entry) {
    auto now = wanted.find(entry.first), before = wanted_.find(entry.first);
    return now == wanted.end() || before == wanted_.end() || !(now->second == before->second);
  });
  wanted_ = std::move(wanted);
  if (started_) look_soon();
}

void Keeper::start() {
  started_ = true;
  look_soon();
}

void Keeper::look_soon() {
  if (std::exchange(due_, true)) return;
  loop_.defer([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    due_ = false;
    look();
  });
}

void Keeper::look() {
  loop_.cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
  if (stopped_) return;
  cache_.touch_used();
  if (auto list = cache_.list()) {
    list_ = std::move(*list);
  } else {
    net::log(Level::kWarn, "the cache cannot be read", {{"error", list.error().message}});
  }
  label();
  if (fetching_name_.empty()) {
    if (const WantedSet* set = next_to_fetch()) begin(*set);
  }
  Instant next = loop_.now() + options_.every;
  for (const auto& [name, tried] : tries_) {
    if (tried.not_before > loop_.now()) next = std::min(next, tried.not_before);
  }
  timer_ = loop_.at(next, [this] {
    timer_ = net::Loop::TimerId::kNone;
    look();
  });
}

NodeLabels::Names Keeper::ready() const {
  NodeLabels::Names ready;
  for (const CachedSet& set : list_.sets) {
    if (!going_.contains(set.name)) ready.insert(set.name);
  }
  return ready;
}

void Keeper::label() {
  if (labels_ == nullptr) return;
  labels_->set(ready(), [this](const Result<void>& done) {
    const std::string error = done ? "" : done.error().message;
    if (!error.empty() && error != label_error_) {
      net::log(Level::kWarn, "the node cannot be labelled", {{"error", error}});
    }
    label_error_ = error;
  });
}

const WantedSet* Keeper::next_to_fetch() const {
  const WantedSet* next = nullptr;
  int fewest = 0;
  for (const auto& [name, set] : wanted_) {
    const bool there = std::any_of(list_.sets.begin(), list_.sets.end(),
                                   [&n = name](const CachedSet& s) { return s.name == n; });
    auto tried = tries_.find(name);
    const int attempts = tried == tries_.end() ? 0 : tried->second.attempts;
    if (there || (attempts > 0 && tried->second.not_before > loop_.now())) continue;
    // One that fails lets the others go first.
    if (next != nullptr && attempts >= fewest) continue;
    next = &set;
    fewest = attempts;
  }
  return next;
}

void Keeper::begin(const WantedSet& set) {
  const std::string name = name_of(set).value();
  fetching_name_ = name;
  progress_ = {};
  net::log(Level::kInfo, "weights are fetched", {{"name", name}, {"source", set.source()}});
  FetchHooks hooks;
  for (const auto& [wanted, unused] : wanted_) hooks.pinned.insert(wanted);
  hooks.before_eviction = [this](const std::string& victim) { return unlabel(victim); };
  hooks.progress = [this](const Progress& progress) {
    loop_.post([this, progress, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) progress_ = progress;
    });
  };
  if (fetching_.joinable()) fetching_.join();
  fetching_ = std::thread([this, set, name, hooks = std::move(hooks)] {
    auto result = fetch(cache_, set, settings_, &stop_, hooks);
    loop_.post([this, name, result = std::move(result), alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) ended(name, result);
    });
  });
}

Result<void> Keeper::unlabel(const std::string& name) {
  auto done = std::make_shared<std::promise<Result<void>>>();
  auto result = done->get_future();
  loop_.post([this, name, done, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return done->set_value(fail("stopped"));
    going_.insert(name);
    if (labels_ == nullptr) return done->set_value({});
    labels_->set(ready(), [done](Result<void> removed) { done->set_value(std::move(removed)); });
  });
  while (result.wait_for(kStopSeen) != std::future_status::ready) {
    if (stop_) return fail("stopped");
  }
  return result.get();
}

void Keeper::ended(const std::string& name, const Result<Fetched>& result) {
  fetching_name_.clear();
  if (auto list = cache_.list(); list && !going_.empty()) {
    evicted_ += std::count_if(going_.begin(), going_.end(), [&](const std::string& gone) {
      return std::none_of(list->sets.begin(), list->sets.end(),
                          [&](const CachedSet& set) { return set.name == gone; });
    });
  }
  going_.clear();
  if (result) {
    const Record& r = result->set.record;
    tries_.erase(name);
    ++fetched_;
    fetched_bytes_ += r.transferred;
    net::log(Level::kInfo, "weights are ready",
             {{"name", name},
              {"bytes", std::to_string(r.bytes)},
              {"transferred", std::to_string(r.transferred)},
              {"seconds", fmt::format("{:.1f}", r.seconds)}});
  } else if (!stop_) {
    Try& tried = tries_[name];
    ++failed_;
    fetched_bytes_ += progress_.transferred;
    Duration wait = options_.first_wait;
    for (int i = 0; i < tried.attempts && wait < kLongestWait; ++i) wait = wait * 2;
    ++tried.attempts;
    tried.not_before = loop_.now() + std::min(wait, kLongestWait);
    tried.error = result.error().message;
    net::log(Level::kWarn, "weights could not be fetched",
             {{"name", name},
              {"error", tried.error},
              {"again_in", fmt::format("{:.0f} s", to_seconds(std::min(wait, kLongestWait)))}});
  }
  if (stopped_) return stopped_();
  look_soon();
}

void Keeper::stop(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  stop_ = true;
  loop_.cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
  if (fetching_name_.empty()) loop_.defer(stopped_);
}

bool Keeper::complete() const {
  return started_ && std::all_of(wanted_.begin(), wanted_.end(), [this](const auto& entry) {
           return std::any_of(list_.sets.begin(), list_.sets.end(),
                              [&](const CachedSet& set) { return set.name == entry.first; });
         });
}

std::string Keeper::metrics() const {
  using format::MetricType;
  std::string page;
  format::ExpositionWriter w(page);
  const auto one = [&](const char* name, MetricType type, const char* help, double value) {
    w.family(name, type, help);
    w.sample(name, {}, value);
  };
  one("tidegate_weights_cache_bytes", MetricType::kGauge, "Bytes of sets, whole and partial.",
      static_cast<double>(list_.bytes));
  if (options_.capacity > 0) {
    one("tidegate_weights_capacity_bytes", MetricType::kGauge, "Most bytes the cache may hold.",
        static_cast<double>(options_.capacity));
  }
  one("tidegate_weights_fetches_total", MetricType::kCounter, "Sets fetched.",
      static_cast<double>(fetched_));
  one("tidegate_weights_fetch_failures_total", MetricType::kCounter, "Fetches that failed.",
      static_cast<double>(failed_));
  one("tidegate_weights_evictions_total", MetricType::kCounter, "Sets evicted for others.",
      static_cast<double>(evicted_));
  one("tidegate_weights_fetched_bytes_total", MetricType::kCounter, "Bytes over the wire.",
      static_cast<double>(fetched_bytes_ + (fetching_name_.empty() ? 0 : progress_.transferred)));
  w.family("tidegate_weights_ready", MetricType::kGauge, "1 where a wanted set is there.");
  for (const auto& [name, set] : wanted_) {
    const bool there = std::any_of(list_.sets.begin(), list_.sets.end(),
                                   [&, n = &name](const CachedSet& s) { return s.name == *n; });
    w.sample("tidegate_weights_ready", {{"set", name}}, there ? 1 : 0);
  }
  w.family("tidegate_weights_set_bytes", MetricType::kGauge, "Bytes of a set that is there.");
  for (const CachedSet& set : list_.sets) {
    w.sample("tidegate_weights_set_bytes", {{"set", set.name}},
             static_cast<double>(set.record.bytes));
  }
  w.family("tidegate_weights_fetch_seconds", MetricType::kGauge,
           "How long the fetch of a set that is there took.");
  for (const CachedSet& set : list_.sets) {
    w.sample("tidegate_weights_fetch_seconds", {{"set", set.name}}, set.record.seconds);
  }
  return page;
}

}  // namespace tidegate::live::weights
