#include "live/actuate/process/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

extern char** environ;

namespace tidegate::live {
namespace {

constexpr const char* kOurselves = "/proc/self/exe";  // also when the file was replaced meanwhile

std::vector<std::string> merged_environment(const SpawnCommand& command) {
  std::map<std::string, std::string> all;
  for (char** at = environ; *at != nullptr; ++at) {
    std::string entry(*at);
    if (auto equals = entry.find('='); equals != std::string::npos) {
      all[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
  }
  for (const auto& name : command.without) all.erase(name);
  for (const auto& [name, value] : command.environment) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

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

  auto environment = merged_environment(command);
  auto arguments = pointers(command.words);
  auto variables = pointers(environment);
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
