#pragma once
// Fetch: one set of weights into a cache, from asking what it is made of to its final name. Blocks.
//
//   auto done = fetch(cache, {.name = "m", .sources = {"hf://a/m@v1"}}, settings, &stop, {});
//
// A set that is there already, of the same source, is not asked for again. Of another source the
// name is taken: that is an error. Thread-safety: one thread; `stop` from any.

#include <functional>
#include <string>
#include <vector>

#include "live/weights/cache.h"
#include "live/weights/download.h"
#include "live/weights/resolve.h"
#include "live/weights/wanted.h"

namespace tidegate::live::weights {

struct FetchSettings {
  SourceAccess access;
  DownloadOptions download;
  Choice choice;
};

struct FetchHooks {
  std::function<void(const Progress&)> progress;
  Cache::Pinned pinned;
  std::function<Result<void>(const std::string& name)> before_eviction;
};

struct Fetched {
  CachedSet set;
  bool was_there = false;
  int restarts = 0;
};

Result<Fetched> fetch(Cache& cache, const WantedSet& wanted, const FetchSettings& settings,
                      const std::atomic<bool>* stop, const FetchHooks& hooks);

}  // namespace tidegate::live::weights
