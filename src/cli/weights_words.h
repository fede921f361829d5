#pragma once
// The flags of `tidegate weights` as what src/live/weights takes. Shared by its sub-verbs.

#include <atomic>
#include <vector>

#include "cli/weights.h"
#include "live/weights/fetch.h"

namespace tidegate::cli {

Result<live::weights::FetchSettings> fetch_settings(const WeightsFlags& flags);
Result<live::weights::CacheOptions> cache_options(const WeightsFlags& flags);
/// --to, which every sub-verb wants.
Result<std::string> cache_folder(const WeightsFlags& flags);
/// The sets of --manifest: a file's path, or a URL.
Result<std::vector<live::weights::WantedSet>> wanted_of_manifest(
    const std::string& manifest, const live::weights::SourceAccess& access,
    const std::atomic<bool>* stop);
/// "27.10 GB".
std::string shown_bytes(std::int64_t bytes);

}  // namespace tidegate::cli
