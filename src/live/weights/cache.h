#pragma once
// Cache: a folder of sets of weights, kept within a size.
//
//   auto cache = Cache::open("/cache", {.capacity = 500'000'000'000}).value();   // one writer
//   if (auto room = cache.make_room(27'000'000'000, pinned); !room) return fail(room.error());
//   ... fetch into cache.partial_folder(name) ...
//   cache.publish(name, record);               // from now on DIR/NAME is there, and complete
//
//   DIR/NAME/                 a complete set, always: it is renamed there when all is checked
//   DIR/NAME/.tidegate-use    an flock on it, shared, says "in use"; its time is the last use
//   DIR/.partial-NAME/        a fetch under way or broken off
//   DIR/.evicted-NAME/        being deleted
//   DIR/.tidegate-lock        one writer: an flock
//
// Evicted is what was used longest ago: never what is in use, pinned, or not ours (a folder without
// our record is foreign: named by list(), left alone, not counted). Partial sets that nobody wants
// go first. Sizes in bytes as recorded. Thread-safety: one owner; reading functions are free.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "live/weights/disk.h"
#include "live/weights/record.h"

namespace tidegate::live::weights {

inline constexpr std::size_t kMaxSets = 1'000;

struct CachedSet {
  std::string name;
  Record record;
  WallTime used;        ///< last known use
  bool in_use = false;  ///< somebody holds the lock now
};
struct PartialSet {
  std::string name;
  std::int64_t bytes = 0;  ///< on disk
  WallTime touched;
};
struct CacheList {
  std::vector<CachedSet> sets;       ///< by name
  std::vector<PartialSet> partial;   ///< by name
  std::vector<std::string> foreign;  ///< names that are not ours
  std::int64_t bytes = 0;            ///< of sets and partial sets
};

/// What lies in a folder; needs no lock. Nothing there: an empty list.
Result<CacheList> list_cache(const std::string& folder);

struct CacheOptions {
  std::int64_t capacity = 0;           ///< 0: as large as the disk
  std::int64_t keep_free = 1LL << 30;  ///< of the disk, beyond the cache's own
};

class Cache {
 public:
  using Pinned = std::set<std::string>;
  /// Makes the folder. An error names the process that writes there already.
  static Result<Cache> open(const std::string& folder, const CacheOptions& options);

  const std::string& folder() const { return folder_; }
  std::string partial_folder(const std::string& name) const;
  Result<CacheList> list() const { return list_cache(folder_); }
  /// The set, if it is complete.
  std::optional<CachedSet> find(const std::string& name) const;

  /// Evicts until `bytes` more of `name` fit into capacity and disk. `before` is told each name
  /// before it goes; if it fails, so does this. An error says what holds the room.
  Result<void> make_room(const std::string& name, std::int64_t bytes, const Pinned& pinned,
                         const std::function<Result<void>(const std::string& name)>& before);
  Result<void> evict(const std::string& name);
  /// Checked files of partial_folder(name), and nothing else of it, get their name.
  Result<void> publish(const std::string& name, const Record& record);
  /// In use now: its last use is now.
  void touch_used();

 private:
  Cache(std::string folder, const CacheOptions& options, Fd lock)
      : folder_(std::move(folder)), options_(options), lock_(std::move(lock)) {}
  Result<void> drop(const std::string& entry);
  std::string folder_;
  CacheOptions options_;
  Fd lock_;
};

}  // namespace tidegate::live::weights
