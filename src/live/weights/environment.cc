#include "live/weights/environment.h"

#include "live/weights/disk.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

constexpr std::size_t kMaxTokenBytes = 16 << 10;

Result<std::string> token_in(const std::string& path) {
  auto text = read_small_file(path, kMaxTokenBytes);
  if (!text) return fail(text.error().within("the token"));
  const auto from = text->find_first_not_of(" \t\r\n"), to = text->find_last_not_of(" \t\r\n");
  if (from == std::string::npos) return fail("the token's file " + path + " is empty");
  std::string token = text->substr(from, to + 1 - from);
  // It becomes a header.
  for (char c : token) {
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) > '~') {
      return fail("the token's file " + path + " holds more than a token");
    }
  }
  return token;
}

/// Nothing where no file is.
Result<std::string> token_of_user(const kube::Environment& environment) {
  std::string path = environment("HF_TOKEN_PATH").value_or("");
  if (auto home = environment("HF_HOME"); path.empty() && home) path = *home + "/token";
  if (auto home = environment("HOME"); path.empty() && home) {
    path = *home + "/.cache/huggingface/token";
  }
  if (path.empty() || !read_small_file(path, kMaxTokenBytes)) return "";
  return token_in(path);
}

}  // namespace

Result<SourceAccess> source_access(const AccessWords& words, const kube::Environment& environment) {
  SourceAccess access;
  std::string endpoint = words.endpoint;
  if (endpoint.empty()) endpoint = environment("HF_ENDPOINT").value_or("");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  if (!endpoint.empty()) {
    auto source = parse_source(endpoint);
    if (!source || !endpoint.starts_with("http")) {
      return fail("HF_ENDPOINT " + public_text(endpoint) + " is no URL; write https://HOST");
    }
    access.endpoint = endpoint;
  }
  const std::string direct = environment("HF_TOKEN").value_or("");
  if (!words.token_file.empty()) {
    auto token = token_in(words.token_file);
    if (!token) return fail(token.error());
    access.token = *token;
  } else if (!direct.empty()) {
    access.token = direct;
  } else {
    auto token = token_of_user(environment);
    if (!token) return fail(token.error());
    access.token = *token;
  }
  if (!words.ca_file.empty()) {
    auto pem = read_small_file(words.ca_file, kMaxManifestBytes);
    if (!pem) return fail(pem.error().within("--ca-file"));
    auto tls = std::make_shared<net::Tls>();
    tls->ca_file = words.ca_file;
    access.tls = std::move(tls);
  }
  return access;
}

}  // namespace tidegate::live::weights
