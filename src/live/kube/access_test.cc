#include "live/kube/access.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "live/kube/exec_plugin.h"
#include "live/kube/time_text.h"

namespace tidegate::live::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kConfig[] = R"(
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: c1
  cluster: {server: "https://10.0.0.1:6443/", certificate-authority-data: Q0EgUEVN}
- name: c2
  cluster: {server: "https://10.0.0.2:6443", certificate-authority: pki/ca.crt, tls-server-name: api.internal, proxy-url: "http://proxy:3128"}
- name: open
  cluster: {server: "http://127.0.0.1:8001", insecure-skip-tls-verify: true}
- name: bad
  cluster: {server: "10.0.0.1"}
contexts:
- name: prod
  context: {cluster: c1, user: certificate, namespace: serve}
- name: files
  context: {cluster: c2, user: files}
- name: plugin
  context: {cluster: open, user: plugin}
- name: nobody
  context: {cluster: c1, user: ghost}
- name: nowhere
  context: {cluster: ghost, user: files}
- name: bad
  context: {cluster: bad}
- name: old-plugin
  context: {cluster: open, user: old-plugin}
users:
- name: certificate
  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ, client-certificate: passed/over}
- name: files
  user: {tokenFile: token, token: passed-over, client-certificate: /abs/c.crt, client-key: pki/c.key}
- name: plugin
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [get-token, --cluster, x]
      env: [{name: REGION, value: eu}]
      provideClusterInfo: true
- name: old-plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}
)";

Access access(const std::string& context) {
  auto read = read_kubeconfig(kConfig, "/home/me/.kube/config", context);
  EXPECT_TRUE(read) << read.error().message;
  return read.value_or(Access{});
}

TEST(Kubeconfig, inline_data_is_decoded_and_wins_over_files) {
  Access one = access("");
  EXPECT_EQ(one.server, "https://10.0.0.1:6443");
  EXPECT_EQ(one.tls.ca_pem, "CA PEM");
  EXPECT_EQ(one.tls.certificate_pem, "CERT");
  EXPECT_EQ(one.tls.key_pem, "KEY");
  EXPECT_EQ(one.tls.certificate_file, "");
  EXPECT_EQ(one.ns, "serve");
}

TEST(Kubeconfig, files_are_beside_the_kubeconfig_and_what_rotates_stays_a_path) {
  Access one = access("files");
  EXPECT_EQ(one.tls.ca_file, "/home/me/.kube/pki/ca.crt");
  EXPECT_EQ(one.tls.certificate_file, "/abs/c.crt");
  EXPECT_EQ(one.tls.key_file, "/home/me/.kube/pki/c.key");
  EXPECT_EQ(one.identity.token_file, "/home/me/.kube/token");
  EXPECT_EQ(one.tls.server_name, "api.internal");
  EXPECT_EQ(one.proxy, "http://proxy:3128");
  EXPECT_EQ(one.ns, "default");
}

TEST(Kubeconfig, a_plugin_is_read_with_its_words_and_environment) {
  Access one = access("plugin");
  ASSERT_TRUE(one.identity.exec);
  EXPECT_THAT(one.identity.exec->words,
              ::testing::ElementsAre("/home/me/.kube/./bin/login", "get-token", "--cluster", "x"));
  EXPECT_EQ(one.identity.exec->env[0].second, "eu");
  EXPECT_TRUE(one.identity.exec->wants_cluster);
  EXPECT_FALSE(one.tls.verify);
}

TEST(Kubeconfig, what_is_wrong_is_named_with_what_there_is) {
  const std::pair<const char*, const char*> rows[] = {
      {"missing", "no context \"missing\"; there are: prod, files"},
      {"nobody", "no user \"ghost\"; there are: certificate"},
      {"nowhere", "no cluster \"ghost\""},
      {"bad", "server \"10.0.0.1\" is no https://"},
      {"old-plugin", "v1alpha1\" is not known; use client.authentication.k8s.io/v1"},
  };
  for (const auto& [context, says] : rows) {
    auto read = read_kubeconfig(kConfig, "/k", context);
    ASSERT_FALSE(read) << context;
    EXPECT_THAT(read.error().message, HasSubstr(says));
  }
  for (const char* text : {"", "[]", "a: [", "current-context: x", "current-context: {}"}) {
    EXPECT_FALSE(read_kubeconfig(text, "/k", "")) << text;
  }
  auto torn = read_kubeconfig("users: [{name: a, user: {token: s3cret}]", "/k", "");
  ASSERT_FALSE(torn);
  EXPECT_THAT(torn.error().message, Not(HasSubstr("s3cret")));
}

class FindAccess : public ::testing::Test {
 protected:
  FindAccess() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kube-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(folder + "/.kube");
    std::filesystem::create_directories(folder + "/account");
    write("config", kConfig);
    write("account/token", "t0ken\n");
    write("account/ca.crt", "CA");
    write("account/namespace", "serve\n");
  }
  ~FindAccess() override { std::filesystem::remove_all(folder); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder + "/" + name) << text;
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      auto it = variables.find(name);
      if (it == variables.end()) return std::nullopt;
      return it->second;
    };
  }
  std::string folder;
  std::map<std::string, std::string> variables;
};

TEST_F(FindAccess, a_pod_uses_its_own_service_account) {
  variables = {{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  auto found = in_cluster(environment(), folder + "/account");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->server, "https://[fd00::1]:443");
  EXPECT_EQ(found->identity.token_file, folder + "/account/token");
  EXPECT_EQ(found->tls.ca_pem, "CA");
  EXPECT_EQ(found->ns, "serve");
}

TEST_F(FindAccess, the_file_named_wins_over_the_environment_and_that_over_home) {
  variables["HOME"] = folder;
  EXPECT_THAT(find_access({}, environment()).error().message, HasSubstr("no ~/.kube/config"));
  write(".kube/config", kConfig);
  EXPECT_THAT(find_access({}, environment())->source, HasSubstr("/.kube/config, context prod"));
  variables["KUBECONFIG"] = folder + "/config";
  EXPECT_EQ(find_access({.context = "files"}, environment())->source,
            folder + "/config, context files");
  variables["KUBECONFIG"] = "/a:/b";
  EXPECT_THAT(find_access({}, environment()).error().message, HasSubstr("--flatten"));
  EXPECT_TRUE(find_access({.kubeconfig = "~/config"}, environment()));
  EXPECT_THAT(find_access({.kubeconfig = "/no/such"}, environment()).error().message,
              HasSubstr("/no/such: No such file"));
}

TEST(Base64, what_is_encoded_is_decoded) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(text)).value(), text);
    text.push_back(static_cast<char>(i * 37));
  }
  for (const char* bad : {"a", "ab=c", "a*bc", "QQ==Q"}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

TEST(Times, text_and_back) {
  const char* micro = "2026-01-02T03:04:05.123456Z";
  EXPECT_EQ(format_micro_time(parse_time(micro).value()), micro);
  EXPECT_EQ(format_time(parse_time("2024-02-29T23:59:59Z").value()), "2024-02-29T23:59:59Z");
  EXPECT_EQ(parse_time("2026-01-02T05:04:05+02:00"), parse_time("2026-01-02T03:04:05Z"));
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z")->unix_nanos(), 1'500'000'000);
  for (const char* bad :
       {"", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z", "2026-01-02T03:04:05",
        "2026-01-02T24:04:05Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

TEST(ExecCredential, a_token_a_certificate_or_an_error_that_quotes_nothing) {
  auto token = parse_exec_credential(
      R"({"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2026-01-02T03:04:05Z"}})");
  ASSERT_TRUE(token);
  EXPECT_EQ(token->authorization, "Bearer t");
  EXPECT_EQ(format_time(token->expires), "2026-01-02T03:04:05Z");
  auto certificate = parse_exec_credential(
      R"({"kind":"ExecCredential","status":{"clientCertificateData":"C","clientKeyData":"K"}})");
  ASSERT_TRUE(certificate);
  EXPECT_EQ(certificate->key_pem, "K");
  for (const char* bad : {"", "s3cret", "{}", R"({"kind":"ExecCredential","status":{}})",
                          R"({"kind":"ExecCredential"})"}) {
    auto parsed = parse_exec_credential(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace tidegate::live::kube
