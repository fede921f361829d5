// The part of access that reads a kubeconfig.
#include <yaml-cpp/yaml.h>

#include <filesystem>

#include "live/kube/access.h"

namespace tidegate::live::kube {
namespace {

/// Exceptions of yaml-cpp end here: only what a node itself is can be asked of it.
std::string text_at(const YAML::Node& node, const char* key) {
  if (!node.IsMap() || !node[key] || !node[key].IsScalar()) return "";
  return node[key].Scalar();
}
bool flag_at(const YAML::Node& node, const char* key) { return text_at(node, key) == "true"; }

/// The entry of a named list: clusters, users, contexts.
Result<YAML::Node> entry(const YAML::Node& root, const char* list, const char* what,
                         const std::string& name) {
  std::string names;
  if (root[list] && root[list].IsSequence()) {
    for (const auto& item : root[list]) {
      if (!item.IsMap()) continue;
      if (text_at(item, "name") == name && item[what] && item[what].IsMap()) {
        return YAML::Node(item[what]);
      }
      names += (names.empty() ? "" : ", ") + text_at(item, "name");
    }
  }
  return fail(std::string("no ") + what + " \"" + name +
              "\"; there are: " + (names.empty() ? "none" : names));
}

std::string beside(const std::string& config, const std::string& file) {
  if (file.empty() || file.front() == '/') return file;
  auto folder = std::filesystem::path(config).parent_path();
  return folder.empty() ? file : (folder / file).string();
}

/// "KEY-data" in base64, or the file "KEY".
Result<void> read_pem(const YAML::Node& node, const std::string& key, const std::string& config,
                      std::string& pem, std::string& file) {
  if (std::string data = text_at(node, (key + "-data").c_str()); !data.empty()) {
    auto decoded = decode_base64(data);
    if (!decoded) return fail(decoded.error().within(key + "-data"));
    pem = std::move(*decoded);
    return {};
  }
  file = beside(config, text_at(node, key.c_str()));
  return {};
}

Result<ExecPlugin> read_exec(const YAML::Node& node, const std::string& config) {
  ExecPlugin plugin;
  plugin.api_version = text_at(node, "apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    return fail("exec: apiVersion \"" + plugin.api_version +
                "\" is not known; use client.authentication.k8s.io/v1");
  }
  std::string command = text_at(node, "command");
  if (command.empty()) return fail("exec: no command");
  // As the reference client: a bare name is looked up in PATH, anything with a slash is a file.
  plugin.words = {command.find('/') == std::string::npos ? command : beside(config, command)};
  if (node["args"] && node["args"].IsSequence()) {
    for (const auto& word : node["args"]) {
      if (word.IsScalar()) plugin.words.push_back(word.Scalar());
    }
  }
  if (node["env"] && node["env"].IsSequence()) {
    for (const auto& pair : node["env"]) {
      plugin.env.emplace_back(text_at(pair, "name"), text_at(pair, "value"));
    }
  }
  plugin.wants_cluster = flag_at(node, "provideClusterInfo");
  return plugin;
}

Result<void> read_cluster(const YAML::Node& cluster, const std::string& path, Access& access) {
  access.server = text_at(cluster, "server");
  while (access.server.ends_with('/')) access.server.pop_back();
  if (!access.server.starts_with("https://") && !access.server.starts_with("http://")) {
    return fail("server \"" + access.server + "\" is no https:// or http:// URL");
  }
  access.tls.verify = !flag_at(cluster, "insecure-skip-tls-verify");
  access.tls.server_name = text_at(cluster, "tls-server-name");
  access.proxy = text_at(cluster, "proxy-url");
  return read_pem(cluster, "certificate-authority", path, access.tls.ca_pem, access.tls.ca_file);
}

Result<void> read_user(const YAML::Node& user, const std::string& path, Access& access) {
  Identity& identity = access.identity;
  identity.token = text_at(user, "token");
  identity.token_file = beside(path, text_at(user, "tokenFile"));
  identity.username = text_at(user, "username");
  identity.password = text_at(user, "password");
  if (user["auth-provider"]) {
    return fail("auth-provider was removed from Kubernetes; use an exec plugin");
  }
  if (user["exec"] && user["exec"].IsMap()) {
    auto plugin = read_exec(user["exec"], path);
    if (!plugin) return fail(plugin.error());
    identity.exec = std::move(*plugin);
  }
  net::Tls& tls = access.tls;
  auto read = read_pem(user, "client-certificate", path, tls.certificate_pem, tls.certificate_file);
  if (!read) return read;
  return read_pem(user, "client-key", path, tls.key_pem, tls.key_file);
}

Result<Access> read(const YAML::Node& root, const std::string& path, std::string context) {
  if (!root.IsMap()) return fail("not a kubeconfig: no mapping at its top");
  if (context.empty()) context = text_at(root, "current-context");
  if (context.empty()) return fail("no current-context; name one by target.kubernetes.context");
  auto chosen = entry(root, "contexts", "context", context);
  if (!chosen) return fail(chosen.error());
  Access access;
  if (std::string ns = text_at(*chosen, "namespace"); !ns.empty()) access.ns = ns;
  auto cluster = entry(root, "clusters", "cluster", text_at(*chosen, "cluster"));
  if (!cluster) return fail(cluster.error().within("context " + context));
  if (auto done = read_cluster(*cluster, path, access); !done) {
    return fail(done.error().within("cluster " + text_at(*chosen, "cluster")));
  }
  if (std::string name = text_at(*chosen, "user"); !name.empty()) {
    auto user = entry(root, "users", "user", name);
    if (!user) return fail(user.error().within("context " + context));
    if (auto done = read_user(*user, path, access); !done) {
      return fail(done.error().within("user " + name));
    }
  }
  access.source = path + ", context " + context;
  return access;
}

}  // namespace

Result<Access> read_kubeconfig(const std::string& text, const std::string& path,
                               const std::string& context) {
  try {
    auto access = read(YAML::Load(text), path, context);
    if (!access) return fail(access.error().within(path));
    return access;
  } catch (const YAML::Exception& e) {
    // Only the place: the text around it may be a secret.
    return fail(path + ":" + std::to_string(e.mark.line + 1) + ": not YAML");
  }
}

}  // namespace tidegate::live::kube
