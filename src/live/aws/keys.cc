#include "live/aws/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

namespace tidegate::live::aws {
namespace {

constexpr const char* kSessionName = "tidegate";
constexpr const char* kContainerHost = "http://169.254.170.2";

std::string value_of(const Environment& environment, const char* name) {
  return environment(name).value_or("");
}

std::string trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::string shared_file(const Environment& environment, const char* variable, const char* name) {
  if (std::string path = value_of(environment, variable); !path.empty()) return path;
  return value_of(environment, "HOME") + "/.aws/" + name;
}

using Profile = std::map<std::string, std::string>;
std::string get(const Profile& profile, const char* key) {
  auto it = profile.find(key);
  return it == profile.end() ? "" : it->second;
}

struct Shared {
  Profiles profiles;
  std::string files;  ///< for messages
};

Result<Shared> read_shared(const Environment& environment) {
  Shared out;
  for (const auto& [variable, name] :
       {std::pair{"AWS_CONFIG_FILE", "config"}, {"AWS_SHARED_CREDENTIALS_FILE", "credentials"}}) {
    const std::string path = shared_file(environment, variable, name);
    out.files += (out.files.empty() ? "" : " and ") + path;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    auto text = kube::read_file(path);
    if (!text) return fail(text.error());
    for (auto& [section, keys] : read_profiles(*text)) {
      for (auto& [key, value] : keys) out.profiles[section][key] = value;  // credentials win
    }
  }
  return out;
}

std::optional<Keys> static_keys(const Profile& profile) {
  Keys keys{get(profile, "aws_access_key_id"),
            get(profile, "aws_secret_access_key"),
            get(profile, "aws_session_token"),
            {}};
  if (keys.access_key.empty() || keys.secret.empty()) return std::nullopt;
  return keys;
}

Result<Source> role_of(const Profile& profile, const std::string& what, const Shared& shared) {
  std::string session = get(profile, "role_session_name");
  if (session.empty()) session = kSessionName;
  if (std::string file = get(profile, "web_identity_token_file"); !file.empty()) {
    return Source{WebIdentity{get(profile, "role_arn"), file, session}, what};
  }
  const std::string from = get(profile, "source_profile");
  if (from.empty()) {
    return fail(what + ": role_arn needs source_profile or web_identity_token_file");
  }
  auto source = shared.profiles.find(from);
  if (source == shared.profiles.end()) {
    return fail(what + ": source_profile " + from + " is in neither " + shared.files);
  }
  auto keys = static_keys(source->second);
  if (!keys) {
    return fail(what + ": source_profile " + from +
                " holds no aws_access_key_id and aws_secret_access_key; one step is followed");
  }
  return Source{AssumedRole{get(profile, "role_arn"), session, get(profile, "external_id"), *keys},
                what};
}

Result<Source> from_profile(const std::string& name, const Shared& shared) {
  auto it = shared.profiles.find(name);
  if (it == shared.profiles.end()) {
    return fail("AWS profile " + name + " is in neither " + shared.files);
  }
  const Profile& profile = it->second;
  const std::string what = "profile " + name + " of " + shared.files;
  if (profile.contains("role_arn")) return role_of(profile, what, shared);
  if (auto keys = static_keys(profile)) return Source{*keys, what};
  for (const char* key : {"sso_session", "sso_start_url", "credential_process"}) {
    if (!profile.contains(key)) continue;
    return fail(fmt::format(
        "{}: {} is not followed; run `aws configure export-credentials --profile {} --format env` "
        "and give what it prints",
        what, key, name));
  }
  return fail(what + ": holds no aws_access_key_id and aws_secret_access_key");
}

Result<Source> from_container(const Environment& environment) {
  ContainerAgent agent;
  const std::string relative = value_of(environment, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  agent.url = relative.empty() ? value_of(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
                               : kContainerHost + relative;
  agent.authorization = value_of(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
  agent.authorization_file = value_of(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  constexpr std::string_view kNear[] = {"http://169.254.170.2",  "http://169.254.170.23",
                                        "http://[fd00:ec2::23]", "http://127.",
                                        "http://localhost",      "http://[::1]"};
  bool near = std::any_of(std::begin(kNear), std::end(kNear),
                          [&](std::string_view prefix) { return agent.url.starts_with(prefix); });
  if (!near) {
    return fail("AWS_CONTAINER_CREDENTIALS_FULL_URI " + agent.url +
                ": keys are taken over http from loopback, 169.254.170.2 or 169.254.170.23 only");
  }
  return Source{std::move(agent), "the container's credentials endpoint"};
}

}  // namespace

Profiles read_profiles(const std::string& text) {
  Profiles out;
  std::map<std::string, std::string>* section = nullptr;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::string words = trimmed(line);
    if (words.empty() || words[0] == '#' || words[0] == ';') continue;
    if (words[0] == '[') {
      std::string name = trimmed(words.substr(1, words.find(']') - 1));
      if (name.starts_with("profile ")) name = trimmed(name.substr(8));
      section = &out[name];
      continue;
    }
    auto equals = words.find('=');
    bool nested = line[0] == ' ' || line[0] == '\t';  // of the key above; none is ours
    if (section == nullptr || equals == std::string::npos || nested) continue;
    (*section)[trimmed(words.substr(0, equals))] = trimmed(words.substr(equals + 1));
  }
  return out;
}

Result<Source> find_source(const Wish& wish, const Environment& environment) {
  if (wish.profile.empty()) {
    Keys keys{value_of(environment, "AWS_ACCESS_KEY_ID"),
              value_of(environment, "AWS_SECRET_ACCESS_KEY"),
              value_of(environment, "AWS_SESSION_TOKEN"),
              {}};
    if (!keys.access_key.empty() && keys.secret.empty()) {
      return fail("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both or neither");
    }
    if (!keys.access_key.empty()) return Source{keys, "AWS_ACCESS_KEY_ID"};
    if (auto file = value_of(environment, "AWS_WEB_IDENTITY_TOKEN_FILE"); !file.empty()) {
      std::string role = value_of(environment, "AWS_ROLE_ARN");
      if (role.empty()) return fail("AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
      std::string session = value_of(environment, "AWS_ROLE_SESSION_NAME");
      return Source{WebIdentity{role, file, session.empty() ? kSessionName : session},
                    "AWS_WEB_IDENTITY_TOKEN_FILE " + file};
    }
  }
  auto shared = read_shared(environment);
  if (!shared) return fail(shared.error());
  std::string named = wish.profile.empty() ? value_of(environment, "AWS_PROFILE") : wish.profile;
  if (!named.empty()) return from_profile(named, *shared);
  if (auto it = shared->profiles.find("default");
      it != shared->profiles.end() &&
      (it->second.contains("role_arn") || it->second.contains("aws_access_key_id"))) {
    return from_profile("default", *shared);
  }
  if (environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
      environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    return from_container(environment);
  }
  if (value_of(environment, "AWS_EC2_METADATA_DISABLED") == "true") {
    return fail(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in " +
        shared->files + " (AWS_EC2_METADATA_DISABLED forbids to ask the instance)");
  }
  return Source{InstanceRole{}, "the instance's role"};
}

std::string endpoint_of(const std::string& service, const Wish& wish,
                        const Environment& environment) {
  std::string url = wish.endpoint;
  if (url.empty()) {
    const char* name = service == "autoscaling"  ? "AWS_ENDPOINT_URL_AUTO_SCALING"
                       : service == "monitoring" ? "AWS_ENDPOINT_URL_CLOUDWATCH"
                       : service == "sts"        ? "AWS_ENDPOINT_URL_STS"
                                                 : "AWS_ENDPOINT_URL_EC2";
    url = value_of(environment, name);
  }
  if (url.empty()) url = value_of(environment, "AWS_ENDPOINT_URL");
  while (url.ends_with('/')) url.pop_back();
  if (!url.empty()) return url;
  return "https://" + service + "." + wish.region +
         (wish.region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
}

}  // namespace tidegate::live::aws
