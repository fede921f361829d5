#include "live/weights/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "format/spec_units.h"
#include "live/net/log.h"
#include "live/weights/names.h"
#include "live/weights/state_log.h"

namespace tidegate::live::weights {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockFile = ".tidegate-lock";
constexpr std::string_view kPartial = ".partial-", kEvicted = ".evicted-";

WallTime modified(const std::string& path) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) return {};
  return WallTime::from_unix_nanos(seen.st_mtim.tv_sec * 1'000'000'000LL + seen.st_mtim.tv_nsec);
}

/// The lock for whoever evicts; nothing: it is in use.
std::optional<Fd> alone(const std::string& folder) {
  Fd fd(::open((folder + "/" + kUseFile).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? std::optional<Fd>(Fd()) : std::nullopt;
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return fd;
}

CachedSet look(const std::string& folder, const std::string& name, Record record) {
  const std::string path = folder + "/" + name;
  CachedSet set{.name = name, .record = std::move(record)};
  set.used = std::max(modified(path + "/" + kUseFile), modified(path + "/" + kRecordFile));
  set.in_use = !alone(path);
  return set;
}

/// Blocks on disk: what is not there yet of a file takes no room.
PartialSet look_partial(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + std::string(kPartial) + name;
  PartialSet out{.name = name, .touched = modified(path + "/" + kStateFile)};
  std::error_code error;
  for (fs::recursive_directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    struct stat seen {};
    if (::lstat(at->path().c_str(), &seen) == 0 && S_ISREG(seen.st_mode)) {
      out.bytes += static_cast<std::int64_t>(seen.st_blocks) * 512;
    }
  }
  return out;
}

std::string shown(std::int64_t bytes) {
  return bytes < 10'000'000 ? fmt::format("{} bytes", bytes)
                            : fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

Result<CacheList> list_cache(const std::string& folder) {
  CacheList out;
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    errno = error.value();
    return fail(system_error("cannot read the folder " + folder));
  }
  std::sort(names.begin(), names.end());
  std::string path;
  for (const std::string& name : names) {
    if (name == kLockFile || name.starts_with(kEvicted)) continue;
    if (name.starts_with(kPartial)) {
      out.partial.push_back(look_partial(folder, name.substr(kPartial.size())));
      out.bytes += out.partial.back().bytes;
      continue;
    }
    path.assign(folder).append("/").append(name);
    auto record = read_record(path);
    if (!record || !check_name(name) || out.sets.size() == kMaxSets) {
      out.foreign.push_back(name);
      continue;
    }
    out.bytes += record->bytes;
    out.sets.push_back(look(folder, name, std::move(*record)));
  }
  return out;
}

Result<Cache> Cache::open(const std::string& folder, const CacheOptions& options) {
  if (auto made = make_folders(folder); !made) return fail(made.error());
  const std::string path = folder + "/" + kLockFile;
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return fail(system_error("cannot open " + path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    auto pid = read_small_file(path, 64);
    return fail(fmt::format("{} is written to by {}; wait for it, or choose another folder", folder,
                            pid && !pid->empty() ? "process " + *pid : "another process"));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0) return fail(system_error("cannot write " + path));
  if (auto written = write_at(fd.get(), pid, 0); !written)
    return fail(written.error().within(path));
  Cache cache(folder, options, std::move(fd));
  std::error_code error;
  std::vector<std::string> left;  // by an eviction that was killed
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(kEvicted)) left.push_back(at->path().string());
  }
  for (const std::string& tree : left) {
    if (auto removed = remove_tree(tree); !removed) return fail(removed.error());
  }
  return cache;
}

std::string Cache::partial_folder(const std::string& name) const {
  return folder_ + "/" + std::string(kPartial) + name;
}

std::optional<CachedSet> Cache::find(const std::string& name) const {
  auto record = read_record(folder_ + "/" + name);
  if (!record) return std::nullopt;
  return look(folder_, name, std::move(*record));
}

Result<void> Cache::drop(const std::string& entry) {
  const std::string from = folder_ + "/" + entry;
  const std::string to = folder_ + "/" + std::string(kEvicted) + entry;
  // Renamed first: a folder with its final name is complete at any moment.
  if (::rename(from.c_str(), to.c_str()) != 0) return fail(system_error("cannot rename " + from));
  if (auto synced = sync_folder(folder_); !synced) return fail(synced.error());
  return remove_tree(to);
}

Result<void> Cache::evict(const std::string& name) {
  if (auto good = check_name(name); !good) return fail(good.error());
  const std::string folder = folder_ + "/" + name;
  struct stat seen {};
  const bool partial = ::stat(partial_folder(name).c_str(), &seen) == 0;
  if (auto record = read_record(folder); !record) {
    if (partial) return drop(std::string(kPartial) + name);
    if (::stat(folder.c_str(), &seen) == 0) {
      return fail(folder + " is not ours; remove it by hand");
    }
    return fail("there is no " + name + " in " + folder_ +
                "; `tidegate weights list` names what is");
  }
  auto lock = alone(folder);
  if (!lock) return fail(name + " is in use; it goes when its readers have ended");
  if (partial) {
    if (auto dropped = drop(std::string(kPartial) + name); !dropped) return dropped;
  }
  return drop(name);
}

Result<void> Cache::make_room(const std::string& name, std::int64_t bytes, const Pinned& pinned,
                              const std::function<Result<void>(const std::string& name)>& before) {
  if (options_.capacity > 0 && bytes > options_.capacity) {
    return fail(fmt::format("{} has {}, more than the whole cache may hold ({}); raise --capacity",
                            name, shown(bytes), shown(options_.capacity)));
  }
  std::set<std::string> stuck;  // could not go
  for (;;) {
    auto there = list();
    if (!there) return fail(there.error());
    auto free = free_bytes(folder_);
    if (!free) return fail(free.error());
    std::int64_t own = 0;
    for (const PartialSet& set : there->partial) own += set.name == name ? set.bytes : 0;
    const std::int64_t over_capacity =
        options_.capacity > 0 ? there->bytes - own + bytes - options_.capacity : 0;
    const std::int64_t over_disk = bytes - own + options_.keep_free - *free;
    if (over_capacity <= 0 && over_disk <= 0) return {};
    std::string victim;
    WallTime oldest;
    bool victim_partial = false;
    for (const PartialSet& set : there->partial) {
      if (set.name == name || pinned.contains(set.name) || stuck.contains(set.name)) continue;
      victim = set.name;
      victim_partial = true;
    }
    for (const CachedSet& set : there->sets) {
      const bool may = !victim_partial && set.name != name && !set.in_use &&
                       !pinned.contains(set.name) && !stuck.contains(set.name);
      if (!may || (!victim.empty() && set.used >= oldest)) continue;
      victim = set.name;
      oldest = set.used;
    }
    if (victim.empty()) {
      std::string held;
      for (const CachedSet& set : there->sets) {
        held +=
            fmt::format("{}{} ({}{})", held.empty() ? "" : ", ", set.name, shown(set.record.bytes),
                        set.in_use                  ? ", in use"
                        : pinned.contains(set.name) ? ", wanted"
                                                    : "");
      }
      return fail(fmt::format(
          "no room for {} ({}): {} too many for {}; here are {}; {}", name, shown(bytes),
          shown(std::max(over_capacity, over_disk)),
          over_capacity > 0 ? "--capacity " + shown(options_.capacity) : "the disk",
          held.empty() ? "no other sets" : held,
          over_capacity > 0 ? "raise --capacity, or keep fewer" : "free some of the disk"));
    }
    if (auto told = before ? before(victim) : Result<void>(); !told) {
      return fail(told.error().within("cannot evict " + victim));
    }
    net::log(net::Level::kInfo, "weights are evicted",
             {{"name", victim}, {"for", name}, {"partial", victim_partial ? "true" : "false"}});
    auto gone = victim_partial ? drop(std::string(kPartial) + victim) : evict(victim);
    if (!gone) {
      net::log(net::Level::kWarn, "weights cannot be evicted", {{"error", gone.error().message}});
      stuck.insert(victim);
    }
  }
}

Result<void> Cache::publish(const std::string& name, const Record& record) {
  const std::string from = partial_folder(name), to = folder_ + "/" + name;
  std::set<std::string> ours;
  for (const FetchedFile& file : record.files) ours.insert(file.path);
  std::vector<std::string> others;  // of a list that has changed, and our state
  std::error_code error;
  for (fs::recursive_directory_iterator at(from, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_directory() && !at->is_symlink()) continue;
    if (!ours.contains(fs::relative(at->path(), from).generic_string())) {
      others.push_back(at->path().string());
    }
  }
  for (const std::string& path : others) {
    if (auto removed = remove_tree(path); !removed) return fail(removed.error());
  }
  if (auto written = write_whole(from + "/" + kUseFile, ""); !written) return fail(written.error());
  if (auto written = write_whole(from + "/" + kRecordFile, to_text(record)); !written) {
    return fail(written.error());
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return fail(system_error("cannot rename " + from + " to " + to +
                             " (a folder of that name that is not ours?)"));
  }
  return sync_folder(folder_);
}

void Cache::touch_used() {
  auto there = list();
  if (!there) return;
  for (const CachedSet& set : there->sets) {
    if (set.in_use)
      ::utimensat(AT_FDCWD, (folder_ + "/" + set.name + "/" + kUseFile).c_str(), nullptr, 0);
  }
}

}  // namespace tidegate::live::weights
