#include "live/weights/resolve.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

using kube::part;
using kube::text;
using kube::whole_number;
using nlohmann::json;

constexpr std::size_t kGitDigits = 40;
constexpr std::size_t kMaxPages = 200;  // of 50 to 1,000 files each
/// The same weights once more, beside safetensors.
constexpr const char* kOtherFormats[] = {"*.bin", "*.pt",   "*.pth",       "*.h5",   "*.msgpack",
                                         "*.ot",  "*.onnx", "*.onnx_data", "*.gguf", "original/*"};

bool matches(const std::string& path, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
  });
}

Result<json> json_page(Transport& transport, const std::string& url, std::string& link) {
  auto page = transport.page(url, kMaxManifestBytes);
  if (!page) return fail(page.error());
  json out = json::parse(page->body, nullptr, false);
  if (out.is_discarded()) {
    return fail(public_text(url) + ": is no JSON; is HF_ENDPOINT a hub?");
  }
  link = page->link;
  return out;
}

/// The commit that a branch or tag is at now; what was given where the hub does not say.
Result<std::string> commit_of(Transport& transport, const SourceAccess& access,
                              const Source& source) {
  std::string link;
  auto info = json_page(transport,
                        fmt::format("{}/api/models/{}/revision/{}", access.endpoint,
                                    source.repository, percent_encode_path(source.revision)),
                        link);
  if (!info) return fail(info.error());
  const std::string sha = text(*info, "sha");
  return sha.empty() ? source.revision : sha;
}

Result<void> take_entry(const json& entry, const std::string& base, FileList& list) {
  if (text(entry, "type") != "file") return {};
  WantedFile file{.path = text(entry, "path")};
  file.url = base + percent_encode_path(file.path);
  file.digest = text(entry, "oid");
  if (file.digest.size() == kGitDigits) {
    file.digest_of = DigestOf::kGitBlob;
  } else {
    file.digest.clear();  // of a store that is no git
  }
  file.size = whole_number(entry, "size").value_or(file.size);
  if (const json& lfs = part(entry, "lfs"); lfs.is_object()) {
    file.digest_of = DigestOf::kSha256;
    file.digest = text(lfs, "oid");
    if (file.digest.starts_with("sha256:")) file.digest.erase(0, 7);
    file.size = whole_number(lfs, "size").value_or(file.size);
  }
  if (list.files.size() == kMaxFiles) return fail("the repository has over 10,000 files");
  list.files.push_back(std::move(file));
  return {};
}

Result<FileList> resolve_hub(const Source& source, const std::string& given, Transport& transport,
                             const SourceAccess& access) {
  auto commit = commit_of(transport, access, source);
  if (!commit) return fail(commit.error());
  FileList list{.source = given, .revision = *commit};
  const std::string at = percent_encode_path(*commit);
  const std::string base = fmt::format("{}/{}/resolve/{}/", access.endpoint, source.repository, at);
  std::string url = fmt::format("{}/api/models/{}/tree/{}?recursive=true", access.endpoint,
                                source.repository, at);
  for (std::size_t page = 0; !url.empty(); ++page) {
    if (page == kMaxPages) return fail(given + ": its list of files has over 200 pages");
    std::string link;
    auto tree = json_page(transport, url, link);
    if (!tree) return fail(tree.error());
    if (!tree->is_array()) return fail(public_text(url) + ": is no list of files");
    for (const json& entry : *tree) {
      if (auto taken = take_entry(entry, base, list); !taken) return fail(taken.error());
    }
    const std::string next = next_link(link);
    url = next.empty() ? "" : join_url(url, next);
    if (!url.empty() && origin(url) != origin(access.endpoint)) {
      return fail("the hub's list goes on at another host, " + origin(url));
    }
  }
  if (auto good = check(list); !good) return fail(good.error().within(given));
  return list;
}

Result<FileList> list_folder(const std::string& url) {
  namespace fs = std::filesystem;
  const std::string root = percent_decode(url.substr(std::string_view("file://").size()));
  FileList list{.source = url};
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; !error && at != end;
       at.increment(error)) {
    if (!at->is_regular_file()) continue;
    const std::string path = fs::relative(at->path(), root).generic_string();
    if (path.starts_with(".") || path.find("/.") != std::string::npos) continue;
    if (list.files.size() == kMaxFiles) return fail(url + " has over 10,000 files");
    list.files.push_back({.path = path, .url = join_url(url, percent_encode_path(path))});
  }
  if (error) return fail("cannot read the folder " + root + ": " + error.message());
  std::sort(list.files.begin(), list.files.end(),
            [](const WantedFile& a, const WantedFile& b) { return a.path < b.path; });
  if (auto good = check(list); !good) return fail(good.error().within(url));
  return list;
}

Result<FileList> resolve_prefix(const std::string& given, Transport& transport) {
  const std::string url = given.ends_with('/') ? given : given + "/";
  auto sums = transport.page(join_url(url, "SHA256SUMS"), kMaxManifestBytes);
  if (sums) return read_sums(sums->body, url);
  if (url.starts_with("file://")) return list_folder(url);
  return fail(sums.error().message +
              "; a folder's URL wants a SHA256SUMS in it (sha256sum * > SHA256SUMS), or name a "
              "manifest");
}

Result<FileList> resolve_file(const std::string& url) {
  FileList list{.source = public_text(url)};
  std::string path = percent_decode(public_text(url));
  path.erase(0, path.rfind('/') + 1);
  list.files.push_back({.path = std::move(path), .url = url});
  if (auto good = check(list); !good) return fail(good.error().within(public_text(url)));
  return list;
}

Result<FileList> resolve_one(const std::string& given, Transport& transport,
                             const SourceAccess& access) {
  auto source = parse_source(given);
  if (!source) return fail(source.error());
  switch (source->kind) {
    case SourceKind::kHub:
      return resolve_hub(*source, given, transport, access);
    case SourceKind::kManifest: {
      auto page = transport.page(given, kMaxManifestBytes);
      if (!page) return fail(page.error());
      return read_manifest(page->body, given);
    }
    case SourceKind::kPrefix:
      return resolve_prefix(given, transport);
    case SourceKind::kFile:
      break;
  }
  return resolve_file(given);
}

}  // namespace

std::string next_link(std::string_view header) {
  // <https://...>; rel="next", <...>; rel="last"
  while (!header.empty()) {
    const auto open = header.find('<'), close = header.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return "";
    const std::string_view url = header.substr(open + 1, close - open - 1);
    const std::string_view rest = header.substr(close + 1);
    const std::string_view parameters = rest.substr(0, rest.find('<'));
    if (parameters.find("rel=\"next\"") != std::string_view::npos ||
        parameters.find("rel=next") != std::string_view::npos) {
      return std::string(url);
    }
    header = rest.substr(std::min(parameters.size(), rest.size()));
  }
  return "";
}

void choose(FileList& list, const Choice& choice) {
  std::vector<std::string> exclude = choice.exclude;
  const bool safetensors =
      std::any_of(list.files.begin(), list.files.end(), [](const WantedFile& file) {
        return file.path.ends_with(".safetensors") && file.path.find('/') == std::string::npos;
      });
  if (choice.include.empty() && safetensors && list.source.starts_with("hf://")) {
    exclude.insert(exclude.end(), std::begin(kOtherFormats), std::end(kOtherFormats));
  }
  std::erase_if(list.files, [&](const WantedFile& file) {
    return matches(file.path, exclude) ||
           (!choice.include.empty() && !matches(file.path, choice.include));
  });
}

Result<void> measure(FileList& list, Transport& transport) {
  for (WantedFile& file : list.files) {
    if (file.size >= 0) continue;
    // A byte by GET: the signature of a presigned URL is not good for HEAD.
    for (int attempt = 1; file.size < 0; ++attempt) {
      GetEnd end = transport.get(
          file.url, Span{0, 1}, "",
          [&](const GetHead& head) {
            file.size = head.size;
            return false;
          },
          [](std::string_view) { return false; });
      if (end.outcome == Outcome::kEmpty) file.size = end.size;
      if (end.outcome == Outcome::kRefused) return fail(end.message);
      if (end.outcome != Outcome::kAgain) break;
      if (attempt == kMaxAttempts) return fail(end.message);
      transport.pause(attempt, end.retry_after);
    }
  }
  return {};
}

Result<FileList> resolve(const std::vector<std::string>& sources, Transport& transport,
                         const SourceAccess& access, const Choice& choice) {
  FileList list;
  for (const std::string& given : sources) {
    auto one = resolve_one(given, transport, access);
    if (!one) return fail(one.error());
    if (sources.size() > 1 && one->files.size() != 1) {
      return fail(public_text(given) +
                  " is a set of its own; give it alone, or only URLs of files");
    }
    if (list.files.empty()) {
      list = std::move(*one);
    } else {
      list.files.push_back(std::move(one->files.front()));
    }
  }
  if (auto good = check(list); !good) return fail(good.error());
  choose(list, choice);
  if (list.files.empty()) return fail("--include and --exclude leave no file");
  if (auto measured = measure(list, transport); !measured) return fail(measured.error());
  return list;
}

}  // namespace tidegate::live::weights
