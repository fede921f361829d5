#include "live/kube/exec_plugin.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/kube/time_text.h"
#include "live/net/child_words.h"

namespace tidegate::live::kube {

using nlohmann::json;

Result<Credential> parse_exec_credential(std::string_view text) {
  json doc = json::parse(text, nullptr, false);
  if (!doc.is_object()) return fail("printed no ExecCredential");
  const json& status = part(doc, "status");
  if (kube::text(doc, "kind") != "ExecCredential" || !status.is_object()) {
    return fail("printed no ExecCredential with a status");
  }
  Credential out;
  if (std::string token = kube::text(status, "token"); !token.empty()) {
    out.authorization = "Bearer " + token;
  }
  out.certificate_pem = kube::text(status, "clientCertificateData");
  out.key_pem = kube::text(status, "clientKeyData");
  if (out.authorization.empty() && out.certificate_pem.empty()) {
    return fail("printed neither a token nor a certificate");
  }
  if (std::string expires = kube::text(status, "expirationTimestamp"); !expires.empty()) {
    auto at = parse_time(expires);
    if (!at) return fail("expirationTimestamp \"" + expires + "\" is no RFC 3339 time");
    out.expires = *at;
  }
  return out;
}

ExecRun::ExecRun(net::Loop& loop, const ExecPlugin& plugin, const std::string& info,
                 std::function<void(Result<Credential>)> done)
    : loop_(loop), name_(plugin.words[0]), done_(std::move(done)) {
  if (auto started = start(plugin, info); !started) {
    loop_.defer([this, alive = std::weak_ptr(alive_), error = started.error()] {
      if (!alive.expired()) finish(fail(error));
    });
  }
}

ExecRun::~ExecRun() {
  if (pid_ > 0 && !ended_) ::kill(-pid_, SIGKILL);
  loop_.cancel(timer_);
  if (pipe_ >= 0) {
    loop_.unwatch(pipe_);
    ::close(pipe_);
  }
}

Result<void> ExecRun::start(const ExecPlugin& plugin, const std::string& info) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(std::string("pipe: ") + std::strerror(errno));
  pipe_ = ends[0];
  ::fcntl(pipe_, F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  auto own = plugin.env;
  own.emplace_back("KUBERNETES_EXEC_INFO", info);
  auto environment = net::environment_with(own);
  auto words = net::pointers_to(plugin.words);
  auto variables = net::pointers_to(environment);
  int error = ::posix_spawnp(&pid_, plugin.words[0].c_str(), &files, &attributes, words.data(),
                             variables.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(ends[1]);
  if (error != 0) {
    pid_ = 0;
    return fail(std::string(std::strerror(error)) + "; install it, or put it on PATH");
  }
  if (auto watched = loop_.watch(pipe_, EPOLLIN, [this](auto) { read(); }); !watched) {
    return watched;
  }
  timer_ = loop_.after(kPluginTime, [this] {
    timer_ = net::Loop::TimerId::kNone;
    ::kill(-pid_, SIGKILL);
    finish(fail("not done within " + std::to_string(kPluginTime.count() / 1'000'000'000) + " s"));
  });
  // Reaps the process, also after we are gone.
  return loop_.watch_process(pid_, [this, pid = pid_, alive = std::weak_ptr(alive_)] {
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (alive.expired()) return;
    ended_ = true;
    read();
    if (!done_) return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      return finish(parse_exec_credential(output_));
    }
    finish(fail(WIFEXITED(status) ? "exited with status " + std::to_string(WEXITSTATUS(status))
                                  : "killed by signal " + std::to_string(WTERMSIG(status))));
  });
}

void ExecRun::read() {
  if (pipe_ < 0) return;
  char piece[16384];
  ssize_t got = 0;
  while ((got = ::read(pipe_, piece, sizeof piece)) > 0) {
    if (output_.size() + static_cast<std::size_t>(got) > kMaxOutput) {
      ::kill(-pid_, SIGKILL);
      return finish(fail("printed over " + std::to_string(kMaxOutput) + " bytes"));
    }
    output_.append(piece, static_cast<std::size_t>(got));
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  loop_.unwatch(pipe_);  // its end, or an error that more reading would not mend
  ::close(pipe_);
  pipe_ = -1;
}

void ExecRun::finish(Result<Credential> result) {
  if (!done_) return;
  loop_.cancel(timer_);
  auto done = std::move(done_);
  done_ = nullptr;
  done(result ? std::move(result) : fail(result.error().within("exec plugin " + name_)));
}

}  // namespace tidegate::live::kube
