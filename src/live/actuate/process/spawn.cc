#include "live/actuate/process/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>

#include "live/net/child_words.h"

namespace tidegate::live {
namespace {

constexpr const char* kOurselves = "/proc/self/exe";  // also when the file was replaced meanwhile

struct Attributes {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t files;
  Attributes() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&files);
  }
  ~Attributes() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

std::string explain(const std::string& program, int error) {
  std::string text = "cannot start \"" + program + "\": ";
  if (error == ENOENT) return text + "no such command; give its full path or put it on PATH";
  if (error == EACCES) return text + "not executable; check its mode (chmod +x)";
  return text + strerror(error);
}

}  // namespace

Result<int> spawn(const SpawnCommand& command) {
  if (command.words.empty() || command.words[0].empty()) return fail("the command is empty");
  // Opened here: posix_spawn could not tell a bad log file from a missing program.
  int log = ::open(command.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return fail("cannot open log file " + command.log_path + ": " + strerror(errno));

  Attributes a;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&a.attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&a.attributes, &none);
  posix_spawnattr_setsigdefault(&a.attributes, &all);
  posix_spawn_file_actions_addopen(&a.files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&a.files, log, 1);
  posix_spawn_file_actions_adddup2(&a.files, log, 2);
  posix_spawn_file_actions_addclosefrom_np(&a.files, 3);

  auto environment = net::environment_with(command.environment, command.without);
  auto arguments = net::pointers_to(command.words);
  auto variables = net::pointers_to(environment);
  pid_t pid = 0;
  int error = command.words[0] == "tidegate"
                  ? ::posix_spawn(&pid, kOurselves, &a.files, &a.attributes, arguments.data(),
                                  variables.data())
                  : ::posix_spawnp(&pid, command.words[0].c_str(), &a.files, &a.attributes,
                                   arguments.data(), variables.data());
  ::close(log);
  if (error != 0) return fail(explain(command.words[0], error));
  return pid;
}

std::string replace_all(std::string text,
                        const std::vector<std::pair<std::string, std::string>>& with) {
  for (const auto& [name, value] : with) {
    for (auto at = text.find(name); at != std::string::npos;
         at = text.find(name, at + value.size())) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

void fault_site(const char* name) {
  const char* wanted = std::getenv("TIDEGATE_FAULT");
  if (wanted != nullptr && strcmp(wanted, name) == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace tidegate::live
