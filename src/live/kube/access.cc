#include "live/kube/access.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tidegate::live::kube {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kServiceAccount[] = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = ::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(path + ": " + std::strerror(errno));
  std::string text;
  std::array<char, 16384> piece;
  while (in.read(piece.data(), piece.size()) || in.gcount() > 0) {
    text.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > limit) return fail(path + ": over " + std::to_string(limit) + " bytes");
  }
  if (in.bad()) return fail(path + ": cannot be read; is it a folder?");
  return text;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= have ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int have = 0;
  bool over = false;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    if (c == '=') {
      over = true;
      continue;
    }
    const char* at = c == 0 ? nullptr : std::strchr(kAlphabet, c);
    if (at == nullptr || over) return fail("not base64");
    bits = bits << 6 | static_cast<std::uint32_t>(at - kAlphabet);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(bits >> have & 255));
    }
  }
  if (have >= 6) return fail("not base64: cut short");
  return out;
}

Result<Access> in_cluster(const Environment& environment, const std::string& folder) {
  auto host = environment("KUBERNETES_SERVICE_HOST"), port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || !port || host->empty() || port->empty()) {
    return fail("not in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
  }
  Access access;
  bool v6 = host->find(':') != std::string::npos;
  access.server = "https://" + (v6 ? "[" + *host + "]" : *host) + ":" + *port;
  auto ca = read_file(folder + "/ca.crt");
  if (!ca) return fail(ca.error().within("the pod's service account"));
  access.tls.ca_pem = std::move(*ca);
  access.identity.token_file = folder + "/token";
  if (auto ns = read_file(folder + "/namespace"); ns && !trimmed(*ns).empty()) {
    access.ns = trimmed(*ns);
  }
  access.source = "the pod's service account";
  return access;
}

Result<Access> find_access(const AccessWish& wish, const Environment& environment) {
  auto from_file = [&](const std::string& path) -> Result<Access> {
    auto text = read_file(path);
    if (!text) return fail(text.error().within("kubeconfig"));
    return read_kubeconfig(*text, path, wish.context);
  };
  auto home = environment("HOME");
  if (!wish.kubeconfig.empty()) {
    bool tilde = wish.kubeconfig.starts_with("~/") && home;
    return from_file(tilde ? *home + wish.kubeconfig.substr(1) : wish.kubeconfig);
  }
  if (auto named = environment("KUBECONFIG"); named && !named->empty()) {
    if (named->find(':') != std::string::npos) {
      return fail("KUBECONFIG=" + *named +
                  ": several files are not merged; name one, or write them into one by `kubectl "
                  "config view --flatten`");
    }
    return from_file(*named);
  }
  if (environment("KUBERNETES_SERVICE_HOST") && wish.context.empty()) {
    return in_cluster(environment, kServiceAccount);
  }
  if (home && std::filesystem::exists(*home + "/.kube/config")) {
    return from_file(*home + "/.kube/config");
  }
  return fail(
      "no Kubernetes cluster: not in a pod, no KUBECONFIG, no ~/.kube/config; set KUBECONFIG or "
      "target.kubernetes.kubeconfig");
}

}  // namespace tidegate::live::kube
