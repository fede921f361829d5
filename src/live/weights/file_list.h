#pragma once
// FileList: the files of one set of weights: what to fetch, where from, and how each is known to be
// right.
//
//   Result<FileList> list = read_manifest(text, "https://h/m/manifest.yaml");
//
// A manifest is YAML or JSON: `files: [{path, size, sha256, url}]`, and optional `name`, `base`
// (what urls and paths are relative to; else the manifest's own place). A url that is not given is
// base + path. SHA256SUMS is what sha256sum prints. Sizes and digests may be unknown.
// Thread-safety: values and pure functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live::weights {

inline constexpr std::size_t kMaxFiles = 10'000;
inline constexpr std::size_t kMaxManifestBytes = 16u << 20;
inline constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 44;  ///< 16 TiB

enum class DigestOf : std::uint8_t { kNone, kSha256, kGitBlob };

struct WantedFile {
  std::string path;
  std::string url;
  std::int64_t size = -1;  ///< unknown
  DigestOf digest_of = DigestOf::kNone;
  std::string digest;  ///< lower-case hex; git's names a blob by SHA-1 of "blob SIZE\0" and bytes
  bool operator==(const WantedFile&) const = default;
};

struct FileList {
  std::string name;      ///< of the set, where the list gives one
  std::string source;    ///< as shown: no secrets
  std::string revision;  ///< a hub's commit, where it was said
  std::vector<WantedFile> files;
  bool operator==(const FileList&) const = default;
};

/// `at`: its URL, for relative ones.
Result<FileList> read_manifest(const std::string& text, const std::string& at);
Result<FileList> read_sums(std::string_view text, const std::string& base);
/// Paths inside, none twice nor inside another, digests and sizes of the right form, not too many.
Result<void> check(const FileList& list);
/// Known sizes; -1 where one is not.
std::int64_t total_bytes(const FileList& list);

}  // namespace tidegate::live::weights
