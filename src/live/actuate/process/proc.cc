#include "live/actuate/process/proc.h"

#include <signal.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace tidegate::live {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// Value of a variable in the zero-separated text of /proc/PID/environ.
std::string_view variable(std::string_view environment, std::string_view name) {
  while (!environment.empty()) {
    auto end = environment.find('\0');
    std::string_view entry = environment.substr(0, end);
    if (entry.size() > name.size() && entry[name.size()] == '=' &&
        entry.substr(0, name.size()) == name) {
      return entry.substr(name.size() + 1);
    }
    if (end == std::string_view::npos) break;
    environment.remove_prefix(end + 1);
  }
  return {};
}

ReplicaId to_id(std::string_view text) {
  std::uint64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id);
  return ReplicaId(id);
}

template <class F>
void for_each_pid(F visit) {
  std::error_code error;
  std::filesystem::directory_iterator at("/proc", error), end;
  for (; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename();
    int pid = 0;
    auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc() && last == name.data() + name.size()) visit(pid);
  }
}

}  // namespace

std::optional<ProcessStat> read_stat(int pid) {
  std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
  // The name in parentheses may itself hold blanks and parentheses: fields count from the last one.
  auto close = text.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  ProcessStat stat;
  int field = 2;
  for (std::size_t at = close + 1; at < text.size() && field < 22;) {
    auto begin = text.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    at = std::min(text.find(' ', begin), text.size());
    ++field;
    if (field == 3) stat.state = text[begin];
    if (field == 5) std::from_chars(text.data() + begin, text.data() + at, stat.group);
    if (field == 22) std::from_chars(text.data() + begin, text.data() + at, stat.start_ticks);
  }
  if (field < 22) return std::nullopt;
  return stat;
}

bool process_alive(int pid, std::uint64_t start_ticks) {
  auto stat = read_stat(pid);
  return stat && stat->start_ticks == start_ticks && stat->state != 'Z' && stat->state != 'X';
}

bool group_alive(int group) {
  if (group <= 0 || (::kill(-group, 0) != 0 && errno == ESRCH)) return false;
  // Someone is there, perhaps only zombies that nobody reaps (no init in a container).
  bool alive = false;
  for_each_pid([&](int pid) {
    if (alive) return;
    auto stat = read_stat(pid);
    alive = stat && stat->group == group && stat->state != 'Z' && stat->state != 'X';
  });
  return alive;
}

std::string absolute_path(const std::string& path) {
  std::error_code error;
  auto full = std::filesystem::weakly_canonical(path, error);
  return error ? path : full.string();
}

std::vector<OwnProcess> processes_of(const std::string& state_dir) {
  std::vector<OwnProcess> out;
  for_each_pid([&](int pid) {
    std::string environment = read_file("/proc/" + std::to_string(pid) + "/environ");
    if (environment.empty() || variable(environment, kStateDirVariable) != state_dir) return;
    ReplicaId id = to_id(variable(environment, kReplicaIdVariable));
    auto stat = read_stat(pid);
    if (!id || !stat || stat->state == 'Z' || stat->state == 'X') return;
    out.push_back({pid, stat->group, stat->start_ticks, id});
  });
  return out;
}

ReplicaId replica_of(int pid) {
  return to_id(
      variable(read_file("/proc/" + std::to_string(pid) + "/environ"), kReplicaIdVariable));
}

}  // namespace tidegate::live
