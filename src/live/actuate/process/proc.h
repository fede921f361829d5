#pragma once
// What /proc tells about processes: who is alive, whose they are.
//
//   if (process_alive(pid, start_ticks)) ...    // the same process, not a later one of its number
//   for (auto& p : processes_of("/state")) ...  // all that were started from one state directory
//
// Source: proc(5). Zombies count as dead: they hold neither memory nor devices. Thread-safety:
// values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/strong.h"

namespace tidegate::live {

inline constexpr const char* kReplicaIdVariable = "TIDEGATE_REPLICA_ID";
inline constexpr const char* kStateDirVariable = "TIDEGATE_STATE_DIR";

struct ProcessStat {
  char state = '?';
  int group = 0;
  std::uint64_t start_ticks = 0;  ///< field 22
};
/// Nothing if there is no such process.
std::optional<ProcessStat> read_stat(int pid);

bool process_alive(int pid, std::uint64_t start_ticks);
/// Any process of the group that is not a zombie.
bool group_alive(int group);

/// The one name of a directory, whatever it was called: marks the environment of engines.
std::string absolute_path(const std::string& path);

/// A process that was started by us, now or in a run before.
struct OwnProcess {
  int pid = 0;
  int group = 0;
  std::uint64_t start_ticks = 0;
  ReplicaId replica;
};
/// All live processes whose environment names this state directory. One pass over /proc.
std::vector<OwnProcess> processes_of(const std::string& state_dir);
/// The replica id in a process's environment; 0 if it has none or it cannot be read (an engine may
/// overwrite it by setting its title).
ReplicaId replica_of(int pid);

}  // namespace tidegate::live
