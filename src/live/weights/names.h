#pragma once
// Names of weights: where they come from, what their folder and their node label are called, and
// which file names are let into a cache.
//
//   set_name("hf://Qwen/Qwen3-32B@v1")         // "Qwen--Qwen3-32B--v1": folder and label alike
//   public_text("https://u:p@h/a?sig=s")       // "https://h/a": what may be shown
//
// A name of a set is also the value part of a Kubernetes label key: at most 63 of A-Z a-z 0-9 - _ .
// that begin and end with a letter or digit; what is longer ends in a hash of the whole.
// Thread-safety: pure functions. Source: Kubernetes docs, "Labels and Selectors".

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "live/net/percent.h"

namespace tidegate::live::weights {

inline constexpr std::size_t kMaxNameBytes = 63;
inline constexpr std::size_t kMaxPathBytes = 1024;
inline constexpr std::string_view kDefaultRevision = "main";

enum class SourceKind { kHub, kManifest, kPrefix, kFile };

/// Where a set comes from.
struct Source {
  SourceKind kind = SourceKind::kFile;
  std::string url;         ///< of a hub: empty
  std::string repository;  ///< OWNER/NAME of a hub
  std::string revision = std::string(kDefaultRevision);
};
/// hf://OWNER/NAME[@REVISION], a manifest's URL (.yaml, .yml, .json), a folder's (ends with "/"),
/// or a file's. http, https and file.
Result<Source> parse_source(std::string_view text);

/// Without user, password and query: those may be secrets.
std::string public_text(std::string_view source);
/// Scheme and authority: "https://host:port"; empty for file: and what is no URL.
std::string origin(std::string_view url);
/// `link` as a browser at `base` takes it.
std::string join_url(std::string_view base, std::string_view link);
inline std::string percent_encode_path(std::string_view path) {
  return net::percent_encode(path, "/");
}
using net::percent_decode;

std::string set_name(std::string_view source);
/// Any text as a name of a set.
std::string clean_name(std::string_view text);
Result<void> check_name(std::string_view name);
/// A relative path that stays inside its folder, and is none of ours.
Result<void> check_path(std::string_view path);

}  // namespace tidegate::live::weights
