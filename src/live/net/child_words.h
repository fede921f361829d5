#pragma once
// Words for a child process: its environment, and what exec wants them as.
//
//   auto environment = environment_with({{"CUDA_VISIBLE_DEVICES", "0,1"}}, {"SECRET"});
//   posix_spawnp(&pid, words[0].c_str(), ..., pointers_to(words).data(),
//                pointers_to(environment).data());
//
// Thread-safety: reads the process's environment; nobody here changes it.

#include <string>
#include <utility>
#include <vector>

namespace tidegate::net {

/// Ours, less `without`, with `set` over it: "NAME=value", by name.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& set,
    const std::vector<std::string>& without = {});

/// Into `words`, which must outlive it; ended by a null.
std::vector<char*> pointers_to(const std::vector<std::string>& words);

}  // namespace tidegate::net
