#pragma once
// EngineLogs: where engines write, and how much of it is kept.
//
//   EngineLogs logs(".tidegate/logs", "qwen3-32b-h100");
//   std::string path = logs.path(id).value();    // .tidegate/logs/qwen3-32b-h100-7.log
//
// At most kMaxFiles files a variant (the oldest that no live replica writes go) and kMaxBytes a
// file: a longer one is emptied in place, which the engine's append mode bears. Thread-safety: the
// loop's thread.

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>

#include "core/base/result.h"
#include "core/base/strong.h"

namespace tidegate::live {

class EngineLogs {
 public:
  static constexpr std::size_t kMaxFiles = 32;
  static constexpr std::uintmax_t kMaxBytes = 64u << 20;
  static constexpr std::size_t kMaxLine = 300;

  EngineLogs(std::string directory, std::string prefix);
  /// Path of a replica's file; makes the directory.
  Result<std::string> path(ReplicaId id) const;
  /// The beginning of a replica's file; empty if it cannot be read.
  std::string beginning(ReplicaId id, std::size_t max_bytes) const;
  /// The last line with anything in it, as text of at most kMaxLine bytes; empty where there is
  /// none.
  std::string last_line(ReplicaId id) const;
  /// Removes the oldest beyond kMaxFiles, none of `live`; empties those over `max_bytes`.
  void trim(const std::set<ReplicaId>& live, std::uintmax_t max_bytes = kMaxBytes) const;

 private:
  std::string name_of(ReplicaId id) const;

  std::string directory_, prefix_;
};

}  // namespace tidegate::live
