#pragma once
// Keys: an AWS identity as a request needs it, and where one may be found.
//
//   Result<Source> source = find_source({.profile = "prod"}, environment);   // reads files, no calls
//
// Order, as in AWS's own tools: a profile that the spec names, alone; else AWS_ACCESS_KEY_ID; a web
// identity token (EKS); the shared files' profile; the container's endpoint (ECS, EKS Pod
// Identity); the instance's role. Errors name the file or variable and the fix; no secret is in
// any. Thread-safety: pure functions of environment and files. Source: AWS SDKs and Tools Reference
// Guide, "Standardized credential providers".

#include <map>
#include <string>
#include <variant>

#include "core/base/result.h"
#include "core/base/time.h"
#include "live/kube/access.h"

namespace tidegate::live::aws {

using kube::Environment;

struct Keys {
  std::string access_key, secret;
  std::string session_token;  ///< empty: keys that do not expire
  WallTime expires{};         ///< 0: never
  bool operator==(const Keys&) const = default;
};

/// A role taken by a token in a file, which is read again each time.
struct WebIdentity {
  std::string role_arn, token_file, session_name;
};
/// A role taken by other keys.
struct AssumedRole {
  std::string role_arn, session_name, external_id;
  Keys by;
};
/// An agent beside us: http on loopback or 169.254.170.2 and .23.
struct ContainerAgent {
  std::string url;
  std::string authorization, authorization_file;  ///< the file wins
};
struct InstanceRole {};

struct Source {
  std::variant<Keys, WebIdentity, AssumedRole, ContainerAgent, InstanceRole> from;
  std::string what;  ///< for messages: "profile prod of ~/.aws/credentials"
};

struct Wish {
  std::string profile;   ///< empty: the environment's
  std::string region;    ///< of the service called
  std::string endpoint;  ///< of every service; empty: the environment's, or AWS's own
  auto operator<=>(const Wish&) const = default;
};

Result<Source> find_source(const Wish& wish, const Environment& environment);

/// [section] to key to value; "profile " before a name in config files is taken off.
using Profiles = std::map<std::string, std::map<std::string, std::string>>;
Profiles read_profiles(const std::string& text);

/// Where `service` ("autoscaling", "ec2", "monitoring", "sts") is called.
std::string endpoint_of(const std::string& service, const Wish& wish,
                        const Environment& environment);

}  // namespace tidegate::live::aws
