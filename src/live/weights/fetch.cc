#include "live/weights/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "live/net/clock.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

double epoch_seconds() {
  return static_cast<double>(net::WorldClock::wall_now().unix_nanos()) * 1e-9;
}

Result<FileList> files_of(const WantedSet& wanted, Transport& transport,
                          const FetchSettings& settings) {
  if (wanted.list.files.empty()) {
    return resolve(wanted.sources, transport, settings.access, settings.choice);
  }
  FileList list = wanted.list;
  choose(list, settings.choice);
  if (list.files.empty()) return fail("--include and --exclude leave no file");
  if (auto measured = measure(list, transport); !measured) return fail(measured.error());
  return list;
}

/// Whether what is there is what a list read just now names; of a source the name says it.
bool same_files(const Record& record, const FileList& list) {
  std::map<std::string, const FetchedFile*> there;
  for (const FetchedFile& file : record.files) there[file.path] = &file;
  return std::all_of(list.files.begin(), list.files.end(), [&](const WantedFile& wanted) {
    auto found = there.find(wanted.path);
    if (found == there.end()) return false;
    const FetchedFile& file = *found->second;
    return (wanted.size < 0 || wanted.size == file.size) &&
           (wanted.digest_of != DigestOf::kSha256 || wanted.digest == file.sha256);
  });
}

}  // namespace

Result<Fetched> fetch(Cache& cache, const WantedSet& wanted, const FetchSettings& settings,
                      const std::atomic<bool>* stop, const FetchHooks& hooks) {
  auto name = name_of(wanted);
  if (!name) return fail(name.error());
  if (auto there = cache.find(*name)) {
    FileList chosen = wanted.list;
    choose(chosen, settings.choice);
    if (there->record.source == wanted.source()) {
      if (same_files(there->record, chosen)) return Fetched{.set = *there, .was_there = true};
      return fail(
          fmt::format("{} is there already, with other files than {} lists by now; give the "
                      "new list another name, or evict {} first",
                      *name, wanted.source(), *name));
    }
    return fail(
        fmt::format("{} is there already, from {}; fetch {} under another --name, or evict "
                    "{} first",
                    *name, there->record.source, wanted.source(), *name));
  }
  const double began = epoch_seconds();
  const Instant start = net::WorldClock::mono_now();
  Transport transport(settings.access, stop);
  auto list = files_of(wanted, transport, settings);
  if (!list) return fail(list.error());
  std::int64_t bytes = 0;
  for (const WantedFile& file : list->files) bytes += std::max<std::int64_t>(file.size, 0);
  if (auto room = cache.make_room(*name, bytes, hooks.pinned, hooks.before_eviction); !room) {
    return fail(room.error());
  }
  const std::string folder = cache.partial_folder(*name);
  if (auto made = make_folders(folder); !made) return fail(made.error());
  auto done = download(folder, *list, settings.access, settings.download, stop, hooks.progress);
  if (!done) return fail(done.error());
  Record record{.name = *name,
                .source = wanted.source(),
                .revision = list->revision,
                .files = std::move(done->files),
                .fetched_at = began,
                .seconds = to_seconds(net::WorldClock::mono_now() - start),
                .transferred = done->transferred};
  for (const FetchedFile& file : record.files) record.bytes += file.size;
  record.fetched_at += record.seconds;
  record.resumed = record.transferred < record.bytes;
  if (auto published = cache.publish(*name, record); !published) return fail(published.error());
  auto set = cache.find(*name);
  if (!set) return fail(*name + " was fetched and is gone");
  return Fetched{.set = std::move(*set), .restarts = done->restarts};
}

}  // namespace tidegate::live::weights
