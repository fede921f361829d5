#include "cli/weights_words.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "format/spec_yaml.h"
#include "live/weights/environment.h"
#include "live/weights/names.h"

namespace tidegate::cli {

namespace weights = live::weights;

namespace {
/// Slower, a connection among many seems to stand still.
constexpr std::int64_t kLeastRate = 1'000'000;
}  // namespace

Result<weights::FetchSettings> fetch_settings(const WeightsFlags& flags) {
  weights::FetchSettings out;
  auto access = weights::source_access({flags.endpoint, flags.token_file, flags.ca_file},
                                       live::kube::process_environment());
  if (!access) return fail(access.error());
  out.access = std::move(*access);
  if (flags.connections < 1 || flags.connections > weights::kMaxConnections) {
    return fail(
        fmt::format("--connections {}: from 1 to {}", flags.connections, weights::kMaxConnections));
  }
  out.download.connections = flags.connections;
  auto range = format::parse_bytes(flags.range);
  if (!range) return fail(range.error().within("--range " + flags.range));
  if (*range < 1 << 20) return fail("--range " + flags.range + ": at least 1MiB");
  out.download.range_bytes = *range;
  if (!flags.bandwidth.empty()) {
    auto rate = format::parse_bandwidth(flags.bandwidth);
    if (!rate) return fail(rate.error().within("--bandwidth " + flags.bandwidth));
    if (*rate < kLeastRate) return fail("--bandwidth " + flags.bandwidth + ": at least 1MB/s");
    out.download.bytes_per_second = *rate;
  }
  // Hashing keeps up with some 1.5 GB/s a thread.
  out.download.hashing_threads = std::thread::hardware_concurrency() > 4 ? 4 : 2;
  out.choice = {flags.include, flags.exclude};
  return out;
}

Result<weights::CacheOptions> cache_options(const WeightsFlags& flags) {
  weights::CacheOptions out;
  if (flags.capacity.empty()) return out;
  auto capacity = format::parse_bytes(flags.capacity);
  if (!capacity) return fail(capacity.error().within("--capacity " + flags.capacity));
  if (*capacity < 1) return fail("--capacity " + flags.capacity + ": above 0, such as 500GB");
  out.capacity = *capacity;
  return out;
}

Result<std::string> cache_folder(const WeightsFlags& flags) {
  std::string folder = flags.to;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  if (folder.empty()) return fail("--to DIR is missing: the folder that holds the weights");
  return folder;
}

Result<std::vector<weights::WantedSet>> wanted_of_manifest(const std::string& manifest,
                                                           const weights::SourceAccess& access,
                                                           const std::atomic<bool>* stop) {
  std::string url = manifest;
  if (url.find("://") == std::string::npos) {
    std::error_code error;
    const auto path = std::filesystem::absolute(manifest, error);
    url = "file://" + weights::percent_encode_path(path.generic_string());
  }
  if (auto source = weights::parse_source(url);
      !source || source->kind == weights::SourceKind::kHub) {
    return fail("--manifest " + weights::public_text(manifest) + ": is no file, nor its URL");
  }
  weights::Transport transport(access, stop);
  auto page = transport.page(url, weights::kMaxManifestBytes);
  if (!page) return fail(page.error().within("--manifest"));
  return weights::read_wanted(page->body, url);
}

std::string shown_bytes(std::int64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace tidegate::cli
