#include "live/weights/names.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "live/net/tls/digest.h"

namespace tidegate::live::weights {
namespace {

constexpr std::size_t kHashDigits = 8;
constexpr std::string_view kHub = "hf://";

bool is_label(char c) { return ascii::is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://") ||
         text.starts_with("file:///");
}

/// The end of scheme://authority.
std::size_t authority_end(std::string_view url) {
  auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return 0;
  return std::min(url.find_first_of("/?#", scheme + 3), url.size());
}

std::string_view without_query(std::string_view url) {
  return url.substr(0, url.find_first_of("?#"));
}

bool is_manifest(std::string_view path) {
  return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json");
}

Result<Source> hub_source(std::string_view text) {
  Source out{.kind = SourceKind::kHub};
  std::string_view rest = text.substr(kHub.size());
  if (auto at = rest.find('@'); at != std::string_view::npos) {
    out.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  const auto safe = [](std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), is_label) && part.front() != '.';
  };
  auto slash = rest.find('/');
  if (slash == std::string_view::npos || !safe(rest.substr(0, slash)) ||
      !safe(rest.substr(slash + 1)) || out.revision.empty() || out.revision.size() > 200 ||
      out.revision.find_first_of("?#% ") != std::string::npos) {
    return fail(quoted(text) +
                " is no repository; write hf://OWNER/NAME or hf://OWNER/NAME@REVISION");
  }
  out.repository = rest;
  return out;
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return fail("a source with blanks or control characters; write it percent-encoded");
    }
  }
  if (text.starts_with(kHub)) return hub_source(text);
  if (!is_url(text) || (!text.starts_with("file:") && origin(text).ends_with("://"))) {
    return fail(
        quoted(public_text(text)) +
        " is no source; write hf://OWNER/NAME@REVISION, or a URL that begins with https://, "
        "http:// or file:///");
  }
  const std::string_view path = without_query(text);
  Source out{.kind = SourceKind::kFile, .url = std::string(text)};
  if (path.ends_with('/') || authority_end(path) == path.size()) out.kind = SourceKind::kPrefix;
  if (is_manifest(path)) out.kind = SourceKind::kManifest;
  return out;
}

std::string public_text(std::string_view source) {
  std::string_view shown = source.starts_with(kHub) ? source : without_query(source);
  std::string out(shown);
  auto scheme = out.find("://");
  if (scheme == std::string::npos || source.starts_with(kHub)) return out;
  auto at = out.rfind('@', authority_end(shown));
  if (at != std::string::npos && at > scheme && at < authority_end(shown)) {
    out.erase(scheme + 3, at + 1 - (scheme + 3));
  }
  return out;
}

std::string origin(std::string_view url) {
  if (url.starts_with("file:")) return "";
  const std::string shown = public_text(url);
  return shown.substr(0, authority_end(shown));
}

std::string join_url(std::string_view base, std::string_view link) {
  if (link.find("://") != std::string_view::npos) return std::string(link);
  if (link.starts_with('/'))
    return std::string(base.substr(0, authority_end(base))) + std::string(link);
  std::string_view folder = without_query(base);
  auto slash = folder.rfind('/');
  if (slash != std::string_view::npos && slash >= authority_end(folder)) {
    return std::string(folder.substr(0, slash + 1)) + std::string(link);
  }
  return std::string(folder) + "/" + std::string(link);
}

std::string clean_name(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '/') {
      out += "--";
    } else {
      out += is_label(c) ? c : '-';
    }
  }
  while (!out.empty() && !ascii::is_alphanumeric(out.front())) out.erase(0, 1);
  while (!out.empty() && !ascii::is_alphanumeric(out.back())) out.pop_back();
  if (!out.empty() && out.size() <= kMaxNameBytes) return out;
  net::Digest sum(net::DigestKind::kSha256);
  sum.update(text);
  std::string hash = sum.hex().substr(0, kHashDigits);
  if (out.empty()) return hash;
  out.resize(kMaxNameBytes - 1 - kHashDigits);
  while (!ascii::is_alphanumeric(out.back())) out.pop_back();
  return out + "-" + hash;
}

std::string set_name(std::string_view text) {
  auto source = parse_source(text);
  if (!source) return clean_name(text);
  if (source->kind == SourceKind::kHub) {
    return clean_name(source->repository +
                      (source->revision == kDefaultRevision ? "" : "/" + source->revision));
  }
  std::string path =
      percent_decode(public_text(source->url).substr(authority_end(public_text(source->url))));
  if (is_manifest(path)) path.erase(path.rfind('.'));
  return clean_name(path);
}

Result<void> check_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxNameBytes &&
                    ascii::is_alphanumeric(name.front()) && ascii::is_alphanumeric(name.back()) &&
                    std::all_of(name.begin(), name.end(), is_label);
  if (good) return {};
  return fail(quoted(name.substr(0, kMaxPathBytes)) +
              " is no name of a set: at most 63 letters, digits, '-', '_' and '.', with a letter "
              "or digit first and last");
}

Result<void> check_path(std::string_view path) {
  const auto bad = [&](const char* why) -> Result<void> {
    return fail("file " + quoted(path.substr(0, kMaxPathBytes)) + " " + why);
  };
  if (path.empty() || path.size() > kMaxPathBytes) {
    return bad("has a path that is empty or over 1024 bytes");
  }
  for (char c : path) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == '\\') {
      return fail("a file's path has control characters or a backslash");
    }
  }
  std::size_t from = 0;
  while (from <= path.size()) {
    const std::string_view part =
        path.substr(from, std::min(path.find('/', from), path.size()) - from);
    if (part.empty() || part == "." || part == "..") {
      return bad("would lie outside its folder; write a relative path without . and ..");
    }
    if (part.size() > 255) return bad("has a part over 255 bytes");
    if (part.starts_with(".tidegate-")) return bad("has a name that the cache itself uses");
    from += part.size() + 1;
  }
  return {};
}

}  // namespace tidegate::live::weights
