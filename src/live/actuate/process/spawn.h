#pragma once
// spawn: starts a program that outlives us. Its own session and process group, nothing of ours but
// its environment: standard input empty, output and errors into a file, all other descriptors
// closed, signals as in a fresh shell.
//
//   auto started = spawn({.words = {"vllm", "serve"}, .log_path = "engine.log"});
//   kill(-started->pid, SIGTERM);          // pid is also the process group
//
// Returns after exec: a command that is missing or not executable is an error, not an exit.
// Thread-safety: none needed.

#include <string>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace tidegate::live {

struct SpawnCommand {
  std::vector<std::string>
      words;  ///< the first is looked up in PATH; "tidegate" is this very program
  std::vector<std::pair<std::string, std::string>> environment;  ///< over our own
  std::vector<std::string> without;  ///< names of variables it must not see
  std::string log_path;              ///< appended to
};

/// The pid.
Result<int> spawn(const SpawnCommand& command);

/// Every `first` in the text becomes its `second`; one pair after the other.
std::string replace_all(std::string text,
                        const std::vector<std::pair<std::string, std::string>>& with);

/// Named points where a test makes us die: TIDEGATE_FAULT=NAME kills this process at that point.
void fault_site(const char* name);

}  // namespace tidegate::live
