#include "live/weights/file_list.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "core/base/ascii.h"
#include "format/spec_units.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

constexpr std::size_t kSha256Digits = 64, kSha1Digits = 40;

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return ascii::hex_digit(c) >= 0 && !ascii::is_upper(c);
         });
}

std::string scalar(const YAML::Node& node, const char* key) {
  const YAML::Node value = node[key];
  return value && value.IsScalar() ? value.Scalar() : "";
}

Result<std::int64_t> size_of(const YAML::Node& entry) {
  const std::string text = scalar(entry, "size");
  if (text.empty()) return -1;
  const bool plain = text.find_first_not_of("0123456789") == std::string::npos;
  auto bytes = format::read_bytes(plain ? text + "B" : text);
  if (!bytes) return fail(bytes.error().within("size " + text));
  return *bytes;
}

Result<WantedFile> read_file_entry(const YAML::Node& entry, const std::string& base) {
  if (!entry.IsMap()) return fail("is no {path, size, sha256, url}");
  for (const auto& pair : entry) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    if (key != "path" && key != "size" && key != "sha256" && key != "url") {
      return fail("has a key \"" + key.substr(0, 100) + "\"; there are path, size, sha256 and url");
    }
  }
  WantedFile file;
  file.path = scalar(entry, "path");
  auto size = size_of(entry);
  if (!size) return fail(size.error());
  file.size = *size;
  if (std::string sum = scalar(entry, "sha256"); !sum.empty()) {
    file.digest_of = DigestOf::kSha256;
    file.digest = ascii::lower(sum);
  }
  const std::string url = scalar(entry, "url");
  file.url = join_url(base, url.empty() ? percent_encode_path(file.path) : url);
  return file;
}

Result<FileList> read_document(const YAML::Node& root, const std::string& at) {
  if (!root.IsMap() || !root["files"] || !root["files"].IsSequence()) {
    return fail("is no manifest: it lacks files: [{path, size, sha256, url}]");
  }
  FileList out{.name = scalar(root, "name"), .source = public_text(at)};
  std::string base = scalar(root, "base");
  base = base.empty() ? at : join_url(at, base.ends_with('/') ? base : base + "/");
  if (root["files"].size() > kMaxFiles) return fail("lists over 10,000 files");
  std::size_t i = 0;
  for (const auto& entry : root["files"]) {
    auto file = read_file_entry(entry, base);
    if (!file) return fail(file.error().within("files[" + std::to_string(i) + "]"));
    out.files.push_back(std::move(*file));
    ++i;
  }
  return out;
}

}  // namespace

Result<FileList> read_manifest(const std::string& text, const std::string& at) {
  const std::string where = public_text(at);
  if (text.size() > kMaxManifestBytes) return fail(where + ": over 16 MiB");
  Result<FileList> out = fail("");
  try {
    out = read_document(YAML::Load(text), at);
  } catch (const YAML::Exception& error) {
    return fail(where + ": is no YAML or JSON: " + error.what());
  }
  if (!out) return fail(out.error().within(where));
  if (auto good = check(*out); !good) return fail(good.error().within(where));
  return out;
}

Result<FileList> read_sums(std::string_view text, const std::string& base) {
  FileList out{.source = public_text(base)};
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    std::string sum = ascii::lower(line.substr(0, kSha256Digits));
    // A blank, and a blank or an asterisk for "binary".
    if (!is_hex(sum, kSha256Digits) || line.size() < kSha256Digits + 3 ||
        line[kSha256Digits] != ' ' || out.files.size() == kMaxFiles) {
      return fail(public_text(base) + "SHA256SUMS:" + std::to_string(number) +
                  ": is no line of sha256sum, or one of over 10,000");
    }
    std::string path(line.substr(kSha256Digits + 2));
    if (path.starts_with("./")) path.erase(0, 2);
    if (path == "SHA256SUMS") continue;
    out.files.push_back({.path = path,
                         .url = join_url(base, percent_encode_path(path)),
                         .digest_of = DigestOf::kSha256,
                         .digest = std::move(sum)});
  }
  if (auto good = check(out); !good)
    return fail(good.error().within(public_text(base) + "SHA256SUMS"));
  return out;
}

Result<void> check(const FileList& list) {
  if (list.files.empty()) return fail("names no file");
  if (list.files.size() > kMaxFiles) return fail("names over 10,000 files");
  if (!list.name.empty()) {
    if (auto good = check_name(list.name); !good) return fail(good.error());
  }
  std::set<std::string> paths;
  for (const WantedFile& file : list.files) {
    if (auto good = check_path(file.path); !good) return fail(good.error());
    const std::string at = "file \"" + file.path + "\"";
    if (!paths.insert(file.path).second) return fail(at + " is listed twice");
    if (auto source = parse_source(file.url); !source || source->kind == SourceKind::kHub) {
      return fail(at + ": " + (source ? "hf:// is no URL of a file" : source.error().message));
    }
    if (file.size < -1 || file.size > kMaxFileBytes) {
      return fail(at + " has a size of " + std::to_string(file.size) + "; at most 16 TiB");
    }
    const bool good =
        file.digest_of == DigestOf::kNone ||
        is_hex(file.digest, file.digest_of == DigestOf::kSha256 ? kSha256Digits : kSha1Digits);
    if (!good) return fail(at + " has a digest that is none: 64 hexadecimal digits");
  }
  for (const std::string& path : paths) {
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      if (paths.contains(path.substr(0, slash))) {
        return fail("\"" + path.substr(0, slash) + "\" is a file and a folder");
      }
    }
  }
  return {};
}

std::int64_t total_bytes(const FileList& list) {
  std::int64_t total = 0;
  for (const WantedFile& file : list.files) {
    if (file.size < 0) return -1;
    total += file.size;
  }
  return total;
}

}  // namespace tidegate::live::weights
