#include "live/kube/testing/real_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "live/kube/testing/objects.h"
#include "live/net/child_words.h"
#include "live/net/clock.h"
#include "live/net/tls/certificates.h"

namespace tidegate::live::kube {
namespace {

constexpr Duration kPatience = seconds(120);  // only a server that does not start takes it
constexpr Duration kLook = millis(100);
constexpr std::size_t kLastWords = 2000;

std::string random_word() {
  std::random_device chance;
  std::string out;
  for (int i = 0; i < 24; ++i) out.push_back(static_cast<char>('a' + chance() % 26));
  return out;
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  ::chmod(path.c_str(), 0600);
}

/// Nobody's now; taken by the program that is told of it.
int free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  bool fine = ::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0 &&
              ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0;
  ::close(fd);
  return fine ? ntohs(at.sin_port) : 0;
}

std::string local(const std::string& scheme, int port) {
  return scheme + "://127.0.0.1:" + std::to_string(port);
}

}  // namespace

RealServer* RealServer::of_this_program() {
  static std::unique_ptr<RealServer> server = []() -> std::unique_ptr<RealServer> {
    const char* assets = std::getenv(kVariable);
    if (assets == nullptr || *assets == 0) return nullptr;
    auto folder = (std::filesystem::temp_directory_path() / "kube-assets-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    auto started = start(assets, folder);
    if (started) return std::move(*started);
    std::fprintf(stderr, "%s=%s: %s\n", kVariable, assets, started.error().message.c_str());
    std::exit(1);
  }();
  return server.get();
}

Result<std::unique_ptr<RealServer>> RealServer::start(const std::string& assets,
                                                      const std::string& folder) {
  for (const char* name : {"etcd", "kube-apiserver"}) {
    if (::access((assets + "/" + name).c_str(), X_OK) != 0) {
      return fail(std::string("no program ") + name + " in it: " + std::strerror(errno));
    }
  }
  std::filesystem::create_directories(folder);
  std::unique_ptr<RealServer> out(new RealServer(folder));
  if (auto up = out->start_etcd(assets + "/etcd"); !up) return fail(up.error());
  if (auto up = out->start_server(assets + "/kube-apiserver"); !up) return fail(up.error());
  return out;
}

RealServer::~RealServer() {
  for (auto it = processes_.rbegin(); it != processes_.rend(); ++it) {
    ::kill(*it, SIGKILL);  // what they hold is deleted next
    ::waitpid(*it, nullptr, 0);
  }
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

Result<void> RealServer::start_etcd(const std::string& program) {
  int port = free_port(), peers = free_port();
  etcd_ = local("http", port);
  auto up =
      run("etcd", {program, "--data-dir=" + folder_ + "/etcd", "--listen-client-urls=" + etcd_,
                   "--advertise-client-urls=" + etcd_, "--listen-peer-urls=" + local("http", peers),
                   "--initial-advertise-peer-urls=" + local("http", peers),
                   "--initial-cluster=default=" + local("http", peers)});
  if (!up) return up;
  Access access;
  access.server = etcd_;
  return wait_for("etcd", access, "/health");
}

/// As envtest starts it; the certificate that vouches for itself also carries the public key of
/// service accounts.
Result<void> RealServer::start_server(const std::string& program) {
  WallTime now = net::WorldClock::wall_now();
  auto pair =
      net::self_signed({"localhost", "127.0.0.1"}, now + seconds(-3600), now + seconds(7 * 86'400));
  if (!pair) return fail(pair.error());
  const std::string token = random_word(), port = std::to_string(free_port());
  const std::string certificate = folder_ + "/server.crt", key = folder_ + "/server.key";
  write_file(certificate, pair->certificate_pem);
  write_file(key, pair->key_pem);
  write_file(folder_ + "/tokens.csv", token + ",tester,tester,system:masters\n");
  access_.server = "https://127.0.0.1:" + port;
  access_.tls.ca_pem = pair->certificate_pem;
  access_.identity.token = token;
  access_.source = kVariable;
  auto up = run(
      "kube-apiserver",
      {program, "--etcd-servers=" + etcd_, "--cert-dir=" + folder_, "--bind-address=127.0.0.1",
       "--advertise-address=127.0.0.1", "--secure-port=" + port, "--tls-cert-file=" + certificate,
       "--tls-private-key-file=" + key, "--token-auth-file=" + folder_ + "/tokens.csv",
       "--service-account-issuer=" + access_.server + "/",
       "--service-account-key-file=" + certificate, "--service-account-signing-key-file=" + key,
       "--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
       "--disable-admission-plugins=ServiceAccount", "--allow-privileged=true"});
  if (!up) return up;
  return wait_for("kube-apiserver", access_, "/readyz");
}

Result<void> RealServer::run(const std::string& name, const std::vector<std::string>& words) {
  auto arguments = net::pointers_to(words);
  int log = ::open((folder_ + "/" + name + ".log").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  int self = ::getpid();
  int child = ::fork();
  if (child < 0) return fail("fork: " + std::string(std::strerror(errno)));
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != self) ::_exit(1);  // it was killed meanwhile
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(log);
  processes_.push_back(child);
  return {};
}

Result<void> RealServer::wait_for(const std::string& name, const Access& access,
                                  const std::string& path) {
  auto loop = net::Loop::create().value();
  KubeClient client(*loop, access);
  bool up = false, ended = false;
  std::string said = "nothing";
  std::function<void()> ask = [&] {
    if (::waitpid(processes_.back(), nullptr, WNOHANG) > 0) {
      processes_.pop_back();
      ended = true;
      return;
    }
    client.call(read(path), [&](ApiResult<nlohmann::json> answer) {
      up = answer.has_value();
      if (up) return;
      said = answer.error().message;
      loop->after(kLook, ask);
    });
  };
  ask();
  if (loop->run_until([&] { return up || ended; }, kPatience) && up) return {};
  return fail(name + (ended ? " ended" : " is not ready after 120 s (" + said + ")") +
              "; its last words:\n" + last_words(name));
}

std::string RealServer::last_words(const std::string& name) const {
  std::string text = read_file(folder_ + "/" + name + ".log").value_or("");
  return text.size() > kLastWords ? text.substr(text.size() - kLastWords) : text;
}

std::string RealServer::kubeconfig(const std::string& ns) const {
  return "apiVersion: v1\nkind: Config\ncurrent-context: real\n"
         "clusters: [{name: real, cluster: {server: \"" +
         access_.server + "\", certificate-authority-data: \"" + encode_base64(access_.tls.ca_pem) +
         "\"}}]\n"
         "users: [{name: tester, user: {token: " +
         access_.identity.token +
         "}}]\n"
         "contexts: [{name: real, context: {cluster: real, user: tester, namespace: " +
         ns + "}}]\n";
}

std::string RealServer::new_namespace() {
  std::string name = "serve-" + std::to_string(++namespaces_);
  RemoteObjects(access_).put("v1", "namespaces", {{"metadata", {{"name", name}}}});
  return name;
}

}  // namespace tidegate::live::kube
