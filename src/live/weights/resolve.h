#pragma once
// From a source to the list of its files: asks the hub, reads the manifest or the sums, or takes
// the URL for the one file there is. Blocks.
//
//   Transport transport(access, &stop);
//   auto list = resolve({"hf://Qwen/Qwen3-32B@v1"}, transport, access, {});
//
// Of a hub the revision is turned into its commit first, so that all files are of one; LFS files
// carry their SHA-256, small ones git's name. Where a repository has safetensors, the same weights
// in other formats are left out unless `include` names them. Sizes that no list says are asked
// for. Thread-safety: functions of the calling thread. Source: huggingface_hub's HfApi
// (list_repo_tree, repo_info) and file_download.

#include <string>
#include <vector>

#include "live/weights/file_list.h"
#include "live/weights/transport.h"

namespace tidegate::live::weights {

/// Shell patterns over whole paths; "*" crosses "/".
struct Choice {
  std::vector<std::string> include;  ///< empty: all, but for other formats beside safetensors
  std::vector<std::string> exclude;
};

/// Several sources: each the URL of one file.
Result<FileList> resolve(const std::vector<std::string>& sources, Transport& transport,
                         const SourceAccess& access, const Choice& choice);
/// Asks for sizes that are unknown; a server that does not say leaves them so.
Result<void> measure(FileList& list, Transport& transport);
void choose(FileList& list, const Choice& choice);
/// The next page of a Link header; empty: there is none.
std::string next_link(std::string_view header);

}  // namespace tidegate::live::weights
