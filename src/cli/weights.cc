#include "cli/weights.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/admin_client.h"
#include "cli/weights_words.h"
#include "live/kube/time_text.h"
#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::cli {
namespace {

namespace weights = live::weights;
using nlohmann::ordered_json;

constexpr Duration kProgressFrom = seconds(2);

std::atomic<bool> stopped = false;

/// Ctrl-C and SIGTERM end a fetch in order; what is on disk stays.
void stop_on_signals() {
  const auto stop = [](int) { stopped = true; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
}

/// One line on a terminal, from two seconds on.
class ProgressLine {
 public:
  explicit ProgressLine(std::string name) : name_(std::move(name)) {}
  ~ProgressLine() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
  }
  void operator()(const weights::Progress& progress) {
    const Duration took = net::WorldClock::mono_now() - began_;
    if (::isatty(STDERR_FILENO) != 1 || took < kProgressFrom) return;
    drawn_ = true;
    const std::string share = progress.total > 0
                                  ? fmt::format(" of {} ({:.0f} %)", shown_bytes(progress.total),
                                                100.0 * static_cast<double>(progress.there) /
                                                    static_cast<double>(progress.total))
                                  : "";
    fmt::print(stderr, "\r{}: {}{}, {:.1f} MB/s\x1b[K", name_, shown_bytes(progress.there), share,
               static_cast<double>(progress.transferred) / 1e6 / to_seconds(took));
    std::fflush(stderr);
  }

 private:
  std::string name_;
  Instant began_ = net::WorldClock::mono_now();
  bool drawn_ = false;
};

ordered_json json_of(const weights::CachedSet& set, const std::string& folder) {
  const weights::Record& r = set.record;
  return {{"name", set.name},
          {"path", folder + "/" + set.name},
          {"source", r.source},
          {"revision", r.revision},
          {"bytes", r.bytes},
          {"files", r.files.size()},
          {"fetchedAt", r.fetched_at},
          {"seconds", r.seconds},
          {"transferredBytes", r.transferred},
          {"resumed", r.resumed},
          {"usedAt", static_cast<double>(set.used.unix_nanos()) * 1e-9},
          {"inUse", set.in_use}};
}

Result<std::vector<weights::WantedSet>> wanted_sets(const WeightsFlags& flags,
                                                    const weights::SourceAccess& access) {
  if (flags.from.empty() == flags.manifest.empty()) {
    return fail("what to fetch? give --from SOURCE, or --manifest FILE");
  }
  if (!flags.manifest.empty()) {
    auto sets = wanted_of_manifest(flags.manifest, access, &stopped);
    if (!sets || flags.name.empty()) return sets;
    if (sets->size() > 1) return fail("--name is for one set; the manifest has several");
    sets->front().name = flags.name;
    return sets;
  }
  return std::vector<weights::WantedSet>{{.name = flags.name, .sources = flags.from, .list = {}}};
}

void print_fetched(const weights::Fetched& done, const std::string& folder) {
  const weights::Record& r = done.set.record;
  if (done.was_there) {
    fmt::print("{}/{}: there already, {}\n", folder, done.set.name, shown_bytes(r.bytes));
    return;
  }
  fmt::print("{}/{}: {} in {} files, {} fetched in {:.1f} s ({:.1f} MB/s)\n", folder, done.set.name,
             shown_bytes(r.bytes), r.files.size(), shown_bytes(r.transferred), r.seconds,
             static_cast<double>(r.transferred) / 1e6 / std::max(r.seconds, 1e-9));
}

struct Opened {
  std::string folder;
  weights::Cache cache;
};
Result<Opened> open_cache(const WeightsFlags& flags) {
  auto folder = cache_folder(flags);
  if (!folder) return fail(folder.error());
  auto options = cache_options(flags);
  if (!options) return fail(options.error());
  auto cache = weights::Cache::open(*folder, *options);
  if (!cache) return fail(cache.error());
  return Opened{*folder, std::move(*cache)};
}

/// To look only: a folder that is not there is a wrong path, not an empty cache.
Result<std::string> existing_folder(const WeightsFlags& flags) {
  auto folder = cache_folder(flags);
  std::error_code unknown;
  if (folder && !std::filesystem::exists(*folder, unknown)) {
    return fail(fmt::format("--to {}: no such folder; check the path, or fetch something into it",
                            *folder));
  }
  return folder;
}

void quiet_log() { net::configure_log(net::Level::kWarn, net::LogFormat::kText); }

void print_list(const weights::CacheList& list, const std::string& folder) {
  std::size_t width = 4;
  for (const auto& set : list.sets) width = std::max(width, set.name.size());
  for (const auto& set : list.partial) width = std::max(width, set.name.size());
  for (const auto& name : list.foreign) width = std::max(width, name.size());
  fmt::print("{:{}}  {:>10}  {:7}  {:20}  {:>8}  {}\n", "NAME", width, "SIZE", "STATE", "LAST USED",
             "FETCHED", "SOURCE");
  for (const auto& set : list.sets) {
    fmt::print("{:{}}  {:>10}  {:7}  {:20}  {:>6.1f} s  {}\n", set.name, width,
               shown_bytes(set.record.bytes), set.in_use ? "in use" : "ready",
               live::kube::format_time(set.used), set.record.seconds, set.record.source);
  }
  for (const auto& set : list.partial) {
    fmt::print("{:{}}  {:>10}  {:7}  {:20}\n", set.name, width, shown_bytes(set.bytes), "partial",
               live::kube::format_time(set.touched));
  }
  for (const auto& name : list.foreign) {
    fmt::print("{:{}}  {:>10}  {:7}  not made by tidegate weights: left alone\n", name, width, "",
               "foreign");
  }
  fmt::print("{} in {}\n", shown_bytes(list.bytes), folder);
}

}  // namespace

int weights_fetch(const WeightsFlags& flags) {
  quiet_log();
  stop_on_signals();
  auto settings = fetch_settings(flags);
  if (!settings) return report(settings.error());
  auto sets = wanted_sets(flags, settings->access);
  if (!sets) return report(sets.error());
  auto opened = open_cache(flags);
  if (!opened) return report(opened.error());
  ordered_json results = ordered_json::array();
  weights::FetchHooks hooks;
  for (const auto& set : *sets) {
    if (auto name = weights::name_of(set)) hooks.pinned.insert(*name);
  }
  for (const auto& set : *sets) {
    auto name = weights::name_of(set);
    ProgressLine line(name.value_or(""));
    hooks.progress = [&line](const weights::Progress& progress) { line(progress); };
    auto done = weights::fetch(opened->cache, set, *settings, &stopped, hooks);
    if (!done) return report(done.error().within(name.value_or(set.source())));
    if (parse_format(flags.format) == Format::kTable) print_fetched(*done, opened->folder);
    results.push_back(json_of(done->set, opened->folder));
    results.back()["wasThere"] = done->was_there;
  }
  if (parse_format(flags.format) == Format::kJson) print_results(results);
  return 0;
}

int weights_list(const WeightsFlags& flags) {
  auto folder = existing_folder(flags);
  if (!folder) return report(folder.error());
  auto list = weights::list_cache(*folder);
  if (!list) return report(list.error());
  if (parse_format(flags.format) == Format::kTable) {
    print_list(*list, *folder);
    return 0;
  }
  ordered_json results = ordered_json::array();
  for (const auto& set : list->sets) {
    results.push_back(json_of(set, *folder));
    results.back()["state"] = set.in_use ? "inUse" : "ready";
  }
  for (const auto& set : list->partial) {
    results.push_back({{"name", set.name}, {"state", "partial"}, {"bytes", set.bytes}});
  }
  for (const auto& name : list->foreign) {
    results.push_back({{"name", name}, {"state", "foreign"}});
  }
  print_results(results);
  return 0;
}

int weights_verify(const WeightsFlags& flags) {
  auto folder = existing_folder(flags);
  if (!folder) return report(folder.error());
  auto list = weights::list_cache(*folder);
  if (!list) return report(list.error());
  std::vector<weights::CachedSet> sets;
  for (const auto& set : list->sets) {
    const bool asked =
        std::find(flags.names.begin(), flags.names.end(), set.name) != flags.names.end();
    if (flags.names.empty() || asked) sets.push_back(set);
  }
  for (const auto& name : flags.names) {
    const bool there =
        std::any_of(sets.begin(), sets.end(), [&](const auto& set) { return set.name == name; });
    if (!there) {
      return report(
          {"there is no " + name + " in " + *folder + "; `tidegate weights list` names what is"});
    }
  }
  const int threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 8u));
  ordered_json results = ordered_json::array();
  bool good = true;
  for (const auto& set : sets) {
    const auto faults = weights::verify(*folder + "/" + set.name, set.record, threads);
    good = good && faults.empty();
    ordered_json found = ordered_json::array();
    for (const auto& fault : faults) found.push_back({{"path", fault.path}, {"fault", fault.what}});
    results.push_back({{"name", set.name}, {"good", faults.empty()}, {"faults", found}});
    if (parse_format(flags.format) == Format::kJson) continue;
    fmt::print("{}: {}\n", set.name,
               faults.empty() ? fmt::format("{} files as fetched", set.record.files.size())
                              : "NOT as fetched; evict it and fetch it again");
    for (const auto& fault : faults) fmt::print("  {}: {}\n", fault.path, fault.what);
  }
  if (parse_format(flags.format) == Format::kJson) {
    print_results(results);
  } else if (sets.empty()) {
    fmt::print("{}: no weights in it\n", *folder);
  }
  return good ? 0 : 1;
}

int weights_evict(const WeightsFlags& flags) {
  quiet_log();
  auto opened = open_cache(flags);
  if (!opened) return report(opened.error());
  for (const auto& name : flags.names) {
    if (auto gone = opened->cache.evict(name); !gone) return report(gone.error());
    fmt::print("{}: evicted\n", name);
  }
  return 0;
}

}  // namespace tidegate::cli
